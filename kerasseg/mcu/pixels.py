"""How cameras lay out their pixels, and the C++ that reads one."""

from dataclasses import dataclass

# ITU-R BT.601-7, section 2.5.1: shares of red and blue in the luma.
_RED, _BLUE = 0.299, 0.114
_GREEN = 1 - _RED - _BLUE
_BITS = 16  # of fixed-point coefficients

_IN, _IN_BACKWARDS = (f"for (int c = 0; c < 3; ++c) out[3 * x + c] = in[3 * x + {c}];" for c in ("c", "2 - c"))
_COPY = "for (int c = 0; c < 3; ++c) pixel[c] = row[3 * x + c];"
_BACKWARDS = "for (int c = 0; c < 3; ++c) pixel[c] = row[3 * x + 2 - c];"
# 5 and 6 bits to the nearest of 256 levels: round(value * 255 / 31) and round(value * 255 / 63), for every value.
_FIVE_SIX_FIVE = """const int word = row[2 * x + {low}] + 256 * row[2 * x + {high}];
    pixel[0] = static_cast<std::uint8_t>(((word >> 11) * 527 + 23) >> 6);
    pixel[1] = static_cast<std::uint8_t>(((word >> 5) % 64 * 259 + 33) >> 6);
    pixel[2] = static_cast<std::uint8_t>((word % 32 * 527 + 23) >> 6);"""
_WORD = """const int word = in[3 * x] >> 3 << 11 | in[3 * x + 1] >> 2 << 5 | in[3 * x + 2] >> 3;
  out[2 * x + {low}] = static_cast<std::uint8_t>(word & 255);
  out[2 * x + {high}] = static_cast<std::uint8_t>(word >> 8);"""
_GREY = "pixel[0] = row[x];"
_YUV = """const std::uint8_t* pair = row + 4 * (x / 2);
    const std::int32_t luma = {luma} * (pair[{y} + x % 2 * 2] - {zero}), u = pair[{u}] - 128, v = pair[{v}] - 128;
    pixel[0] = Rounded(luma + {red_v} * v);
    pixel[1] = Rounded(luma - {green_u} * u - {green_v} * v);
    pixel[2] = Rounded(luma + {blue_u} * u);"""


def _yuv(*, first: int, full: bool) -> str:
    """The C++ for two pixels in four bytes; `first` is the byte of the first luma."""
    luma, chroma = (1.0, 1.0) if full else (255 / 219, 255 / 224)
    fixed = {
        "luma": luma,
        "red_v": 2 * (1 - _RED) * chroma,
        "green_u": 2 * (1 - _BLUE) * _BLUE / _GREEN * chroma,
        "green_v": 2 * (1 - _RED) * _RED / _GREEN * chroma,
        "blue_u": 2 * (1 - _BLUE) * chroma,
    }
    u = 1 - first
    return _YUV.format(
        y=first, u=u, v=u + 2, zero=0 if full else 16, **{name: round(value * 2**_BITS) for name, value in fixed.items()}
    )


ROUNDED = f"""
  static std::uint8_t Rounded(std::int32_t sum) {{
    const std::int32_t value = (sum < 0 ? 0 : sum + (1 << {_BITS - 1})) >> {_BITS};
    return static_cast<std::uint8_t>(value > 255 ? 255 : value);
  }}
"""


# What the input gets of a pixel, by (values that a pixel of the frame has, channels of the model). Grey of colours is what
# `kerasseg.grey` makes of them.
TAKEN = {
    (3, 3): "pixel[c]",
    (1, 1): "pixel[c]",
    (1, 3): "pixel[0]",
    (3, 1): "(19595 * pixel[0] + 38470 * pixel[1] + 7471 * pixel[2] + 32768) >> 16",
}


@dataclass(frozen=True)
class Layout:
    """What a row of a frame is in memory.

    Attributes:
        about: In words.
        pair_bytes: Bytes of two pixels.
        code: C++ that fills `pixel` with the values 0..255 of column `x` of `row`.
        values: How many those are: 3, red, green and blue, or 1.
        encode: C++ that puts column `x` of a picture's row `in` into a frame's row `out`; empty where pixels share a colour.
        is_swapped: Whether it is 16-bit words with their high byte first.
    """

    about: str
    pair_bytes: int
    code: str
    encode: str = ""
    values: int = 3
    is_swapped: bool = False

    @property
    def in_pairs(self) -> bool:
        """Whether two pixels share their colour, so that a row has an even number."""
        return "pair" in self.code


LAYOUTS: dict[str, Layout] = {
    "rgb888": Layout("bytes red, green, blue, as a demosaiced Bayer row has them", 6, _COPY, _IN),
    "bgr888": Layout("bytes blue, green, red", 6, _BACKWARDS, _IN_BACKWARDS),
    "rgb565": Layout(
        "16-bit words, red in the high bits, low byte first", 4, _FIVE_SIX_FIVE.format(low=0, high=1),
        _WORD.format(low=0, high=1),
    ),
    "rgb565_swapped": Layout(
        "the same, high byte first, as many cameras send it", 4, _FIVE_SIX_FIVE.format(low=1, high=0),
        _WORD.format(low=1, high=0), is_swapped=True,
    ),
    "yuyv": Layout("bytes Y U Y V (YUV 4:2:2), BT.601, luma 16..235", 4, _yuv(first=0, full=False)),
    "yuyv_full": Layout("the same with luma 0..255, as in JPEG", 4, _yuv(first=0, full=True)),
    "uyvy": Layout("bytes U Y V Y, BT.601, luma 16..235", 4, _yuv(first=1, full=False)),
    "uyvy_full": Layout("the same with luma 0..255, as in JPEG", 4, _yuv(first=1, full=True)),
    "grey": Layout(
        "a byte a pixel, which a model of three channels gets three times", 2, _GREY, values=1, encode="out[x] = in[x];"
    ),
}  # fmt: skip
