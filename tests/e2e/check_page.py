"""A report's page: every tag is closed in its order, nothing is fetched, every picture is whole.

usage: check_page.py PAGE WORD...     (each WORD must stand in the page's text)
"""

import base64
import re
import struct
import sys
import zlib
from html.parser import HTMLParser

VOID = {"meta", "link", "img", "source"}


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.text, self.data = [], "", []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        assert tag != "script", "a script"
        for name, value in attrs:
            if name in ("src", "srcset", "href"):
                assert value.startswith("data:"), f"<{tag} {name}> fetches {value[:60]}"
                self.data.append((tag, value))
        assert tag != "img" or dict(attrs).get("alt"), "an <img> without alt"

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> inside {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, text):
        if self.open[-1:] != ["style"]:
            self.text += text


def check_png(data):
    assert data[:8] == b"\x89PNG\r\n\x1a\n", "no PNG"
    at, packed = 8, b""
    while at < len(data):
        n, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + n]
        assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + n:at + 12 + n])[0], "CRC"
        packed += body if kind == b"IDAT" else b""
        at += 12 + n
    assert kind == b"IEND" and zlib.decompress(packed), "a PNG without its end"


def main():
    page = Page()
    text = open(sys.argv[1], encoding="utf-8").read()
    assert text.startswith("<!DOCTYPE html>") and text.endswith("</html>\n")
    page.feed(text)
    page.close()
    assert not page.open, f"not closed: {page.open}"
    assert not re.search(r"@import|url\(|https?:", text.split("</style>")[0]), "the style fetches"
    count = {}
    for _, value in page.data:
        if value == "data:,":
            continue
        kind, body = value[5:].split(";base64,")
        data = base64.b64decode(body, validate=True)
        count[kind] = count.get(kind, 0) + 1
        if kind == "image/png":
            check_png(data)
        elif kind == "video/mp4":
            assert data[4:8] == b"ftyp", "no MP4"
        else:
            assert kind == "image/svg+xml" and data.endswith(b"</svg>\n"), kind
    for word in sys.argv[2:]:
        assert word in page.text, f"no '{word}' on the page"
    print(", ".join(f"{n} {kind}" for kind, n in sorted(count.items())))


main()
