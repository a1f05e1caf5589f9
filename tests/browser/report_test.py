#!/usr/bin/env python3
"""The page of `curlew report` in Chromium: light and dark, wide and narrow.

Nothing may be fetched or complained about, nothing may stick out sideways, every picture must have
come, the video must play, and the text must stand out from its ground. Then pages that were broken
on purpose: each must be noticed.

usage: report_test.py CURLEW [--page PAGE.html] [--shots FOLDER]
    --page   look at this page in place of a new one, and at nothing else
    --shots  keep a picture of the whole page for each of the four looks
"""

import argparse
import base64
import pathlib
import re
import subprocess
import sys
import tempfile

import chromium

SKIPPED = 77
SIZES = {"wide": (1280, 900), "narrow": (360, 740)}
CONTRAST = 4.5  # of text, WCAG 2.1 level AA

IMAGES = """Promise.all([...document.images].map(i => i.decode().then(() => i.naturalWidth > 0,
                                                                    () => false)))"""
VIDEOS = """Promise.all([...document.querySelectorAll('video')].map(v => new Promise(done => {
    const end = word => done(word);
    v.addEventListener('error', () => end('error ' + (v.error && v.error.message)));
    v.addEventListener('timeupdate', () => v.currentTime > 0 && end('plays'));
    setTimeout(() => end('stands still, readyState ' + v.readyState), 30000);
    if (v.error) end('error ' + v.error.message);
    v.play().catch(() => {});
})))"""
COLOURS = """(() => { const s = getComputedStyle(document.body);
    return [s.color, s.backgroundColor]; })()"""


def luminance(colour):
    """Of a CSS rgb() colour, 0 to 1 (WCAG 2.1)."""
    parts = [int(x) / 255 for x in re.findall(r"\d+", colour)[:3]]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def colour_problems(page, scheme):
    text, ground = map(luminance, page.evaluate(COLOURS))
    contrast = (max(text, ground) + 0.05) / (min(text, ground) + 0.05)
    if contrast < CONTRAST:
        yield f"colour: text on its ground has a contrast of {contrast:.1f}"
    if (ground < 0.2) != (scheme == "dark"):
        yield f"colour: a ground of luminance {ground:.2f} in {scheme}"


def media_problems(page):
    loaded = page.evaluate(IMAGES)
    if not loaded or not all(loaded):
        yield f"image: {loaded.count(False)} of {len(loaded)} did not load"
    videos = page.evaluate(VIDEOS)
    if videos != ["plays"]:
        yield f"video: {videos or 'none'}"


def spoken_problems(page, url):
    """What the browser itself said: messages, exceptions, requests."""
    for said in page.events("Runtime.consoleAPICalled"):
        yield f"console: {said['type']} {[a.get('value') for a in said['args']]}"
    for thrown in page.events("Runtime.exceptionThrown"):
        yield f"console: {thrown['exceptionDetails']['text']}"
    for entry in page.events("Log.entryAdded"):
        yield f"console: {entry['entry']['level']} {entry['entry']['text']}"
    for request in page.events("Network.requestWillBeSent"):
        if request["request"]["url"] != url and not request["request"]["url"].startswith("data:"):
            yield f"request: {request['request']['url'][:80]}"


def look(browser, path, size, scheme, shot=None):
    """Every problem of the page at this size and in this scheme."""
    url = path.resolve().as_uri()
    page = chromium.Page(browser, url, *SIZES[size], scheme)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    problems = [*media_problems(page), *colour_problems(page, scheme)]
    wide = page.evaluate("document.scrollingElement.scrollWidth")
    if wide > SIZES[size][0]:
        problems.append(f"overflow: {wide} pixels in a window of {SIZES[size][0]}")
    if shot:
        height = page.evaluate("document.scrollingElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": SIZES[size][0], "height": height, "scale": 1}
        data = page.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"]
        shot.write_bytes(base64.b64decode(data))
    problems += spoken_problems(page, url)
    page.close()
    return problems


def change(text, old, new):
    """The page with its first match of a pattern replaced."""
    changed, n = re.subn(old, lambda _: new, text, count=1)
    assert n == 1, f"the page has no {old}"
    return changed


# What is broken, how the problem must be named, and how the page is broken.
BROKEN = [
    ("an error on the console", "console:",
     lambda t: change(t, "</body>", "<script>console.error('x')</script></body>")),
    ("a script that fails", "console:",
     lambda t: change(t, "</body>", "<script>nothing.there()</script></body>")),
    ("a picture from elsewhere", "request:",
     lambda t: change(t, "</body>", "<img src='http://127.0.0.1:9/a.png'></body>")),
    ("a style sheet beside the page", "request:",
     lambda t: change(t, "</head>", "<link rel='stylesheet' href='style.css'></head>")),
    ("a line too long", "overflow:",
     lambda t: change(t, "</body>", "<div style='width:3000px'>x</div></body>")),
    ("half a PNG", "image:",
     lambda t: change(t, "data:image/png;base64,[^\"]*", "data:image/png;base64,iVBORw0KGgo=")),
    ("no MP4", "video:",
     lambda t: change(t, "data:video/mp4;base64,[^\"]*", "data:video/mp4;base64,AAAA")),
    ("no video", "video:", lambda t: change(t, "<video [^>]*></video>", "")),
    ("grey on grey", "colour:",
     lambda t: change(t, "</body>", "<style>body{color:#888;background:#777}</style></body>")),
    ("white in the dark", "colour:",
     lambda t: change(t, "</body>",
                      "<style>body{color:#000!important;background:#fff!important}</style></body>")),
]


def make_page(curlew, work):
    """The page of a short run."""
    run, page = work / "run", work / "report.html"
    for words in (["train", "toy", "--profile", "tiny", "--quiet", "--steps", "400",
                   "train.eval_every=200", "train.eval_episodes=1", "train.log_every=20",
                   "--out", run], ["report", run, "--out", page]):
        subprocess.run([curlew, *map(str, words)], check=True, stdout=subprocess.DEVNULL)
    return page


def look_at_all(browser, page, shots):
    problems = []
    for scheme in ("light", "dark"):
        for size in SIZES:
            shot = shots / f"{size}-{scheme}.png" if shots else None
            found = look(browser, page, size, scheme, shot)
            problems += [f"{size}, {scheme}: {problem}" for problem in found]
    return problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("curlew")
    parser.add_argument("--page", type=pathlib.Path)
    parser.add_argument("--shots", type=pathlib.Path)
    arguments = parser.parse_args()
    program = chromium.find()
    if not program:
        print("skipped: there is no Chromium; ./check browser installs it")
        sys.exit(SKIPPED)
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        page = arguments.page or make_page(arguments.curlew, work)
        browser = chromium.Browser(program)
        try:
            failures = look_at_all(browser, page, arguments.shots)
            for what, wanted, broken in [] if arguments.page else BROKEN:
                path = work / "broken.html"
                path.write_text(broken(page.read_text(encoding="utf-8")), encoding="utf-8")
                found = look(browser, path, "wide", "dark")
                print(f"{what}: {found}")
                if not any(problem.startswith(wanted) for problem in found):
                    failures.append(f"{what} was not noticed")
        finally:
            browser.close()
    for failure in failures:
        print("FAILED:", failure)
    print("all passed" if not failures else f"{len(failures)} failures")
    sys.exit(1 if failures else 0)


main()
