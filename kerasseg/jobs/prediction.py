"""Pictures and videos in; overlays, class maps and polygons out, one picture in memory at a time."""

import itertools
import os
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from kerasseg import files
from kerasseg.data import polygons, sources
from kerasseg.data.letterbox import segment
from kerasseg.data.pictures import read_image
from kerasseg.data.polygons import Coco
from kerasseg.data.sources import Source
from kerasseg.data.video import Reader, Writer
from kerasseg.errors import InputError
from kerasseg.jobs import predicted
from kerasseg.jobs.loading import Predictor
from kerasseg.jobs.settings import PredictSettings
from kerasseg.reports import coloring, plots


@dataclass(frozen=True)
class Predicted:
    """What came of it.

    Attributes:
        written: Files, in order.
        refused: (picture or video, why) of those that could not be read to their end.
        pictures: How many pictures and frames were segmented.
        seconds: How long that took, reading and writing included.
    """

    written: tuple[Path, ...]
    refused: tuple[tuple[str, str], ...]
    pictures: int
    seconds: float


def predict(
    arguments: Sequence[str | Path],
    predictor: Predictor,
    *,
    output_dir: str | Path,
    settings: PredictSettings | None = None,
    log: Callable[[str], None] = lambda line: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Predicted:
    """Segments pictures of any size, at their own resolution, one at a time.

    Of a picture come NAME_overlay.png, NAME_index.png (class ids), NAME_mask.png (colours) and NAME.json (Labelme), as asked;
    of a video NAME_overlay.mp4, and the others a frame in a folder NAME. COCO's outlines go to predictions.coco.json.
    legend.png has the names and colours of the classes. Files that are there are written over where they are of an earlier
    call: neither inputs, nor somebody else's, nor JSON files that somebody has corrected. What
    lies in `output_dir` is no input where a folder around it is given.

    Args:
        arguments: As `kerasseg.data.sources.find` takes them.
        predictor: From `load_predictor`.
        output_dir: Gets the files.
        settings: What to write; None for the defaults.
        log: Gets a line for what cannot be read, and for what a folder holds beside.
        progress: Gets how many pictures are done, and of how many; videos and cameras count their frames, 0 for unknown.

    Raises:
        InputError: nothing is called so, nothing at all can be read, with `strict` something cannot, a file that must not be
            written over is there, or nothing can be written.
    """
    settings = settings or PredictSettings()
    found = sources.find(arguments, without=Path(output_dir), log=log)
    work = _Work(predictor, Path(output_dir), settings)
    if Path(output_dir).exists() and not Path(output_dir).is_dir():
        raise InputError(f"--output_dir={output_dir} is a file; give a folder")
    predicted.refuse_to_replace(found, folder=work.folder, settings=settings, class_names=work.names)
    start, refused, count = time.monotonic(), [], 0
    total = len(found) if not any(one.moves for one in found) else 0
    for one in found:
        steps = work.video(one) if one.moves else work.picture(one)
        try:
            for _ in steps:
                count += 1
                progress(count, total)
        except KeyboardInterrupt:
            if not isinstance(one.place, int):
                raise
            with suppress(StopIteration):
                steps.throw(KeyboardInterrupt())  # the frames so far are a video
        except files.CannotWriteError:
            raise
        except InputError as error:
            if settings.strict:
                raise
            refused.append((str(one.place), str(error)))
            if len(found) > 1:
                log(f"not read: {error}")
    if not count:
        more = f", and {len(refused) - 1} more" if len(refused) > 1 else ""
        raise InputError(f"nothing could be read: {refused[0][1]}{more}")
    work.finish()
    return Predicted(tuple(work.written), tuple(refused), count, time.monotonic() - start)


class _Work:
    """Segments one source after another, and remembers what was written."""

    def __init__(self, predictor: Predictor, folder: Path, settings: PredictSettings):
        self.predictor, self.folder, self.settings = predictor, folder, settings
        self.names = predictor.class_names
        self.written: list[Path] = []
        self.coco = Coco(self.names) if predicted.is_coco(settings) else None

    def picture(self, source: Source) -> Generator[None, None, None]:
        """Segments a picture."""
        assert isinstance(source.place, Path)
        image = read_image(source.place)
        ids = self._segment(image)
        if "overlay" in self.settings.save:
            self._save(f"{source.name}_overlay.png", coloring.overlay(image, ids, self.names), compress_level=1)
        self._maps(source.name, ids, picture=source.place)
        yield

    def video(self, source: Source) -> Generator[None, None, None]:
        """Segments every frame that is asked of a video or camera; Ctrl-C ends a camera."""
        reader = Reader(source.place)
        try:
            with ExitStack() as opened:
                yield from self._frames(source, reader, opened)
            if "overlay" in self.settings.save:
                self.written.append(self.folder / f"{source.name}_overlay.mp4")
        finally:
            reader.close()

    def _frames(self, source: Source, reader: Reader, opened: ExitStack) -> Generator[None, None, None]:
        settings, overlays, number = self.settings, None, None
        stop = settings.frames * settings.every or None
        if "overlay" in settings.save:
            path = self.folder / f"{source.name}_overlay.mp4"
            temporary = opened.enter_context(files.replacing(path))
            overlays = opened.enter_context(Writer(temporary, rate=reader.rate / settings.every, comment=predicted.SOFTWARE))
        try:
            for number, (at, image) in itertools.islice(enumerate(reader), 0, stop, settings.every):
                ids = self._segment(image)
                if overlays is not None:
                    overlays.add(coloring.overlay(image, ids, self.names), at=at)
                name = f"{source.name}/{number:06}"
                picture = self.folder / f"{name}.png"
                if "json" in settings.save:
                    self._save(f"{name}.png", image, compress_level=1)
                self._maps(name, ids, picture=picture)
                yield
        except KeyboardInterrupt:
            if not isinstance(source.place, int):
                raise
            if number is None:
                raise InputError(f"{reader.name} was interrupted before its first frame") from None

    def finish(self) -> None:
        """Writes what belongs to all pictures together."""
        if self.coco is not None:
            files.write_json(self.folder / predicted.COCO_FILE, polygons.sealed(self.coco.content))
            self.written.append(self.folder / predicted.COCO_FILE)
        elif "json" in self.settings.save:  # the order of the classes, which Labelme's files do not hold
            files.write_text(self.folder / predicted.LABELS, predicted.listed(self.names))
            self.written.append(self.folder / predicted.LABELS)
        plots.save_legend(self.names, path=self.folder / predicted.LEGEND, software=predicted.SOFTWARE)
        self.written.append(self.folder / predicted.LEGEND)

    def _segment(self, image: np.ndarray) -> np.ndarray:
        return segment(self.predictor.predict, image, size=self.predictor.size)

    def _maps(self, name: str, ids: np.ndarray, *, picture: Path) -> None:
        if "index" in self.settings.save:
            self._save(f"{name}_index.png", ids)
        if "mask" in self.settings.save:
            self._save(f"{name}_mask.png", coloring.colorize(ids, self.names))
        if "json" in self.settings.save:
            found = polygons.outlines(ids, class_names=self.names)
            height, width = ids.shape
            target = self.folder / (predicted.COCO_FILE if self.coco is not None else f"{name}.json")
            image = Path(os.path.relpath(picture, target.parent)).as_posix()
            if self.coco is not None:
                self.coco.add(found, image=image, size=(height, width))
            else:
                told = polygons.labelme(found, class_names=self.names, image=image, size=(height, width))
                files.write_json(target, polygons.sealed(told))
                self.written.append(target)

    def _save(self, name: str, pixels: np.ndarray, **options: int) -> None:
        path, told = self.folder / name, PngImagePlugin.PngInfo()
        told.add_text("Software", predicted.SOFTWARE)
        with files.replacing(path) as temporary:
            Image.fromarray(pixels).save(temporary, format="PNG", pnginfo=told, **options)
        self.written.append(path)
