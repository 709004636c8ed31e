"""Recognises PNG, JPEG, GIF and WebP by walking their structure, not by the first bytes alone.

A file that goes on after its image has ended (an archive or a page hidden behind a picture) is not one of them.
"""

import struct
import zlib


def image_type(data: bytes) -> str | None:
    """The media type of a whole image file; None for anything else."""
    for media_type, is_whole in (
        ("image/png", _is_png),
        ("image/jpeg", _is_jpeg),
        ("image/gif", _is_gif),
        ("image/webp", _is_webp),
    ):
        try:
            if is_whole(data):
                return media_type
        except (IndexError, struct.error):  # cut short
            return None
    return None


def _is_png(data: bytes) -> bool:
    """Chunks with right checksums: IHDR first with a size, IDAT, IEND last and at the end."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        return False
    place, kinds = 8, []
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        body_end = place + 8 + length
        (checksum,) = struct.unpack_from(">I", data, body_end)
        if zlib.crc32(data[place + 4 : body_end]) != checksum:
            return False
        kinds.append(kind)
        place = body_end + 4
        if kind == b"IEND":
            break
    width, height = struct.unpack_from(">II", data, 16)
    return (
        place == len(data)
        and kinds[0] == b"IHDR"
        and b"IDAT" in kinds
        and kinds[-1] == b"IEND"
        and bool(width and height)
    )


def _is_jpeg(data: bytes) -> bool:
    """Marker segments up to the scan, a frame header among them, and an end marker at the end.

    Cameras put a second picture or zeros behind the first; so only the end of the file is looked at, zeros aside.
    """
    if data[:2] != b"\xff\xd8":
        return False
    place, has_frame = 2, False
    while True:
        if data[place] != 0xFF:
            return False
        marker = data[place + 1]
        if marker == 0xFF:  # fill byte
            place += 1
            continue
        if marker == 0xDA:  # the scan begins
            return has_frame and data.rstrip(b"\x00").endswith(b"\xff\xd9")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            (width,) = struct.unpack_from(">H", data, place + 7)
            has_frame = width > 0  # the height may be stated later
        (length,) = struct.unpack_from(">H", data, place + 2)
        if length < 2:
            return False
        place += 2 + length


def _is_gif(data: bytes) -> bool:
    """Header, blocks, at least one image, the trailer as the last byte."""
    if data[:6] not in (b"GIF87a", b"GIF89a"):
        return False
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    place, has_image = 13 + _colour_table(flags), False
    while data[place] != 0x3B:
        if data[place] == 0x21:  # extension
            place += 2
        elif data[place] == 0x2C:  # image
            has_image = True
            place += 10 + _colour_table(data[place + 9]) + 1
        else:
            return False
        while data[place]:  # sub-blocks, ended by an empty one
            place += data[place] + 1
        place += 1
    return bool(has_image and width and height and place == len(data) - 1)


def _colour_table(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _is_webp(data: bytes) -> bool:
    """A RIFF container of exactly the stated size whose first chunk is one of WebP's."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return False
    (size,) = struct.unpack_from("<I", data, 4)
    _, first_length = struct.unpack_from("<4sI", data, 12)
    return len(data) == size + 8 and data[12:16] in (b"VP8 ", b"VP8L", b"VP8X") and first_length <= size - 12
