"""Shared by the tests of this folder: packages that may be missing, the command, checks."""
import importlib
import pathlib
import subprocess
import sys
import tempfile

SKIPPED = 77
curlew = sys.argv[1]
_folder = tempfile.TemporaryDirectory()
work = pathlib.Path(_folder.name)
failures = []


def need(*names):
    """Ends the test as skipped when a module is missing."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            print(f"skipped: {error}")
            sys.exit(SKIPPED)


def run(*words, code=0, timeout=600):
    """Runs the command; its standard output."""
    done = subprocess.run([curlew, *map(str, words)], capture_output=True, text=True,
                          timeout=timeout, check=False)
    if done.returncode != code:
        sys.exit(f"curlew {' '.join(map(str, words))}: exit code {done.returncode}, not {code}: "
                 f"{done.stderr.strip()}")
    return done.stdout if code == 0 else done.stderr


def check(good, text):
    if not good:
        print("FAILED:", text)
        failures.append(text)


def finish():
    print("all passed" if not failures else f"{len(failures)} failures")
    sys.exit(1 if failures else 0)
