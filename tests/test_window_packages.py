"""What `make test` and `make annotate` do about Debian packages that a window needs, on machines played by stubs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci" / "window_packages.sh"
PRESENT = 'case "$*" in *libegl1|*xvfb) exit 1;; *) echo "install ok installed";; esac'

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere than on Linux, windows need nothing more")


@pytest.fixture
def machine(tmp_path):
    """A function that runs the script on a machine whose commands are these shell lines, and no others."""

    def runs(*arguments, **commands):
        folder = tmp_path / "bin"
        folder.mkdir()
        for name, lines in {"uname": "echo Linux", **commands}.items():
            path = folder / name.replace("_", "-")
            path.write_text(f"#!/bin/bash\n{lines}\n")
            path.chmod(0o755)
        command = ["/bin/bash", str(SCRIPT), *arguments]
        return subprocess.run(
            command, env={"PATH": str(folder), "TRIED": str(tmp_path)}, capture_output=True, text=True
        )

    return runs


def test_a_machine_that_has_everything_is_left_alone(machine):
    done = machine("screen", dpkg_query='echo "install ok installed"')
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_root_gets_what_is_missing_installed_and_nothing_else(machine, tmp_path):
    noted = 'echo "$@" >> "$TRIED/apt"'
    done = machine("screen", dpkg_query=PRESENT, id="echo 0", apt_get=noted)
    assert done.returncode == 0
    update, install = (tmp_path / "apt").read_text().splitlines()
    assert update.startswith("update")
    assert install.split()[-2:] == ["libegl1", "xvfb"]
    assert "libgl1" not in install.split()


def test_anybody_else_is_told_what_to_install(machine):
    done = machine("screen", dpkg_query=PRESENT, id="echo 1000")
    assert done.returncode == 1
    assert "sudo apt-get install libegl1 xvfb" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_window_on_a_real_screen_does_not_need_the_one_in_memory(machine):
    done = machine(dpkg_query=PRESENT, id="echo 1000")
    assert done.stderr.rstrip().endswith("apt-get install libegl1")


def test_another_linux_is_told_of_xvfb_for_its_tests_alone(machine):
    assert machine().returncode == 0


def test_another_linux_without_xvfb_cannot_run_the_tests(machine):
    done = machine("screen")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "Xvfb" in done.stderr


def test_other_systems_need_nothing_of_it(machine):
    done = machine("screen", uname="echo Darwin")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_script_can_be_run():
    assert os.access(SCRIPT, os.X_OK)
