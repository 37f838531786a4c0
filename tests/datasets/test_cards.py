from flaxgal.datasets.cards import card, citations

PARTS = {
    "name": "spiral_arms",
    "version": "1.0.0",
    "description": "Some galaxies.",
    "sizes": {"train": 8_000, "test": 1_000},
    "surveys": {"HSC": 5_000, "": 4_000},
    "left_out": {"no row in t.csv": 1_200, "class not known: t_type 99": 5, "torn": 1},
    "columns": [("image", "64 × 64 × 1", "uint8", "Picture, 8-bit brightness in bands grey")],
    "citation": "@article{x}",
}


def test_a_card_says_what_how_many_from_where_and_how_to_open_it():
    text = card(**PARTS)
    assert text.startswith("# spiral_arms 1.0.0\n\nSome galaxies.\n")
    assert "9,000 galaxies: 8,000 train, 1,000 test. By survey: 5,000 HSC, 4,000 unknown." in text
    assert "1,206 more were left out" in text
    assert "\n- 1,200: no row in t.csv\n- 5: class not known: t_type 99\n" in text
    assert "torn" not in text  # of its own; left_out.jsonl says it
    assert "| `image` | 64 × 64 × 1 | uint8 | Picture, 8-bit brightness in bands grey |" in text
    assert 'builder_from_directory("spiral_arms/1.0.0")' in text
    assert "belong to their surveys" in text
    assert "```bibtex\n@article{x}\n```" in text


def test_a_card_says_whose_look_galaxies_are_in_and_what_is_one_galaxy():
    text = card(**PARTS, look="HSC", twins_together=True)
    assert "made to look as HSC would have seen them.\n" in text
    assert "Positions within 2″ are one galaxy, and stand in one split." in text
    assert "look as" not in card(**PARTS)
    assert "2″" not in card(**PARTS)


def test_mocks_belong_to_no_survey_and_nothing_left_out_is_not_mentioned():
    text = card(**(PARTS | {"surveys": {"mock": 9_000}, "left_out": {}, "citation": ""}))
    assert "belong to their surveys" not in text
    assert "left out" not in text
    assert "Cite whoever took the images" in text


def test_a_card_asks_to_cite_who_made_the_labels_and_the_catalogue_beside_the_surveys():
    cite = card(**PARTS).partition("## Cite")[2]
    assert "whoever made the labels" in cite
    assert "Tadaki et al. 2020" in cite
    assert "Tadaki" not in card(**(PARTS | {"citation": "", "surveys": {"mock": 9_000}}))
    assert "Tadaki" not in card(**(PARTS | {"surveys": {"GZ3D": 9_000}}))


def test_every_survey_that_is_known_is_cited_once_and_in_one_order():
    text = citations({"SDSS": 2, "GZ3D": 4, "mock": 1, "": 3})
    assert text.count("@article") == 2
    assert text.index("Galaxy Zoo: 3D") < text.index("Seventeenth Data Release")
    assert citations({"mock": 1}) == ""
