"""Fonts for letters that Matplotlib's own font lacks, such as those of Chinese, Japanese and Korean class names."""

import warnings
from functools import cache
from pathlib import Path

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text


def fit(figure: Figure, *, file: str) -> None:
    """Gives each text of a figure a font that has its letters, where one is installed, and warns where none has them.

    Args:
        figure: Changed in place.
        file: What the warning calls it.
    """
    unknown: set[str] = set()
    for text in figure.findobj(Text):
        lacking = frozenset(text.get_text()) - _letters(_own()) - {"\n"}
        if lacking:
            families, left = _families(lacking)
            text.set_fontfamily([*text.get_fontfamily(), *families])
            unknown |= left
    if unknown:
        letters = "".join(sorted(unknown)[:8])
        warnings.warn(f"{file}: no font here has {letters}; install one, such as Noto Sans CJK", stacklevel=2)


@cache
def _families(lacking: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Installed families that together have some letters, those that have most first, and the letters that none has."""
    found: list[str] = []
    fonts = {font.name: font.fname for font in font_manager.fontManager.ttflist if Path(font.fname).is_file()}
    fonts = {name: path for name, path in fonts.items() if not name.startswith("Last Resort")}  # has boxes for all letters
    while lacking and fonts:
        best = max(fonts, key=lambda name: len(lacking & _letters(fonts[name])))
        if not lacking & _letters(fonts[best]):
            break
        found.append(best)
        lacking -= _letters(fonts.pop(best))
    return tuple(found), lacking


@cache
def _letters(path: str) -> frozenset[str]:
    return frozenset(map(chr, font_manager.get_font(path).get_charmap()))


def _own() -> str:
    return font_manager.findfont("DejaVu Sans")
