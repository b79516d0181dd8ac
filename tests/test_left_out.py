"""What a folder holds beside images is counted and named."""

from e5v.left_out import LeftOut


def test_counts_by_suffix() -> None:
    """Catches hundreds of videos left out of a folder without a word."""
    left_out = LeftOut()
    assert not left_out
    for name in ["a.mov"] * 214 + ["b.PSD"] * 31 + ["Makefile", "x.\x1b"]:
        left_out.add(name)
    assert left_out
    assert str(left_out) == "214 .mov, 31 .psd, 1 without a suffix, 1 '.\\x1b'"


def test_a_folder_of_many_kinds() -> None:
    """Catches a line as long as the folder is mixed."""
    left_out = LeftOut()
    for number in range(2_000):
        left_out.add(f"file.{number:04}")
    left_out.add("b.mov")
    left_out.add("b.mov")
    assert str(left_out).startswith("2 .mov, 1 .0000, ")
    assert str(left_out).endswith(", 1,993 of other kinds")
