#!/usr/bin/env python3
"""Completion as fingers know it: a line and Tab in a real bash, zsh and fish, each on a terminal of
its own, and what the command is then called with.

usage: tab_test.py CURLEW
"""

import os
import pathlib
import pty
import select
import shutil
import subprocess
import sys
import tempfile
import time

SKIPPED = 77
PATIENCE = 20  # seconds for a shell to start, or to answer

SHELLS = {
    "bash": (["bash", "--norc", "--noprofile"],
             "source {share}/bash-completion/completions/curlew"),
    "zsh": (["zsh", "-f"],
            "fpath=({share}/zsh/site-functions $fpath); autoload -Uz compinit; compinit -u -D"),
    "fish": (["fish", "--no-config"], "source {share}/fish/vendor_completions.d/curlew.fish"),
}

# What is typed (with Tab), and what the command must then get.
LINES = [
    ("curlew tra\t", "[train]"),
    ("curlew train cheet\t--prof\tau\t", "[train][cheetah-run][--profile][authors]"),
    ("curlew train toy curl.enab\tfalse", "[train][toy][curl.enabled=false]"),
    ("curlew train toy update.order=seq\t", "[train][toy][update.order=sequential]"),
    ("curlew train toy --config set\t", "[train][toy][--config][settings.ini]"),
    ("curlew report two\t", "[report][two words"),  # zsh takes the slash away
    ("curlew help update.batc\t", "[help][update.batch_size]"),
]


class Terminal:
    def __init__(self, words, environment, folder):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe(words[0], words, environment)

    def wait_for(self, text):
        """What the shell wrote up to `text`, or None when it does not come."""
        seen, deadline = b"", time.monotonic() + PATIENCE
        while text.encode() not in seen:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                return None
            try:
                seen += os.read(self.fd, 4096)
            except OSError:
                return None
        return seen

    def type(self, text):
        """Key by key where it matters: a Tab is looked at before what follows it."""
        for part in text.replace("\t", "\t\0").split("\0"):
            os.write(self.fd, part.encode())
            time.sleep(0.3 if part.endswith("\t") else 0.05)

    def close(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def try_shell(name, share, folder, environment):
    words, setup = SHELLS[name]
    terminal = Terminal(words, environment, folder)
    # Two words that only the shell's output puts together.
    terminal.type(setup.format(share=share) + "; echo rea''dy\n")
    failures = [] if terminal.wait_for("ready") else ["does not start"]
    for line, wanted in LINES if not failures else []:
        terminal.type(line + "\n")
        if not terminal.wait_for(f"called with {wanted}"):
            failures.append(f"{line!r} did not become {wanted}")
            break
    terminal.close()
    return failures


def main():
    curlew = pathlib.Path(sys.argv[1]).resolve()
    missing = [shell for shell in SHELLS if not shutil.which(shell)]
    if missing:
        print(f"skipped: {', '.join(missing)} missing; ./check installs them")
        sys.exit(SKIPPED)
    failures = []
    with tempfile.TemporaryDirectory() as work:
        here, share = pathlib.Path(work, "here"), pathlib.Path(work, "share")
        (here / "two words").mkdir(parents=True)
        (here / "settings.ini").touch()
        subprocess.run([curlew, "help", "--share", share], check=True)
        command = pathlib.Path(work, "bin", "curlew")
        command.parent.mkdir()
        command.write_text(f"""#!/bin/sh
[ "$1" != completion ] || exec {curlew} "$@"
printf 'called ''with '
printf '[%s]' "$@"
echo
""")
        command.chmod(0o755)
        environment = {"PATH": f"{command.parent}:{os.environ['PATH']}", "HOME": work,
                       "TERM": "xterm", "LANG": "C.UTF-8"}
        for shell in SHELLS:
            failures += [f"{shell}: {text}"
                         for text in try_shell(shell, share, here, environment)]
    for failure in failures:
        print("FAILED:", failure)
    print("all passed" if not failures else f"{len(failures)} failures")
    sys.exit(1 if failures else 0)


main()
