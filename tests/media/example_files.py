"""Write `examples/files`: a small file of each kind, made of scenes of `examples/scenes`.

python -m tests.media.example_files
"""

from pathlib import Path

import av
import numpy as np
import PIL.Image
from PIL.ExifTags import GPS, IFD, Base

from tests.media.made import write_dng, write_docx, write_epub

EXAMPLES = Path(__file__).parents[2] / "examples"
SIDE = 192


def scene(name: str) -> PIL.Image.Image:
    """Return a scene, small."""
    with PIL.Image.open(EXAMPLES / "scenes" / f"{name}.png") as picture:
        return picture.convert("RGB").resize((SIDE, SIDE))


def write_files(folder: Path) -> None:
    """Write all files."""
    folder.mkdir(exist_ok=True)
    pages = [scene("images/0042"), scene("images/0020")]
    pages[0].save(folder / "report.pdf", save_all=True, append_images=pages[1:])
    write_clip(folder / "clip.mp4", [scene("images/0002"), scene("images/0403")])
    frames = [scene("images/0365"), scene("images/0490")]
    frames[0].save(folder / "moving.webp", save_all=True, append_images=frames[1:], duration=500)
    write_photo(folder / "photo.jpg", scene("images/0181"))
    write_dng(folder / "camera.dng", pixels=np.asarray(scene("images/0159")))
    write_docx(folder / "letter.docx", "There is a large shark on a blue background.")
    write_epub(folder / "book.epub", "Two small violins are in front of a green wall.")
    (folder / "page.html").write_text("<p>The picture shows three tiny kites.</p>\n")


def write_clip(path: Path, scenes: list[PIL.Image.Image]) -> None:
    """Write a video that shows each scene for a second."""
    with av.open(str(path), "w") as target:
        stream = target.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        stream.codec_context.gop_size = 8
        for number in range(8 * len(scenes)):
            pixels = np.asarray(scenes[number // 8].convert("RGB"))
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = number
            target.mux(stream.encode(frame))
        target.mux(stream.encode())


def write_photo(path: Path, picture: PIL.Image.Image) -> None:
    """Write a photograph that says when and where it was taken."""
    exif = PIL.Image.Exif()
    exif[Base.Make], exif[Base.Model] = "Example", "Camera One"
    exif.get_ifd(IFD.Exif)[Base.DateTimeOriginal] = "2019:07:20 12:00:00"
    exif.get_ifd(IFD.GPSInfo).update(
        {
            GPS.GPSLatitudeRef: "N",
            GPS.GPSLatitude: (61.0, 30.0, 0.0),
            GPS.GPSLongitudeRef: "E",
            GPS.GPSLongitude: (8.0, 15.0, 0.0),
        }
    )
    picture.save(path, exif=exif)


if __name__ == "__main__":
    write_files(EXAMPLES / "files")
