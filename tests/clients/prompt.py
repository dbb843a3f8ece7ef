"""A person at the prompt of `portcullis cloudhsm-cli`, on a terminal of its own."""

import os
import pty
import subprocess
import sys
import termios
import time

SECRET = b"adminPassword"


def main():
    terminal, other_end = pty.openpty()
    command = ["portcullis", "cloudhsm-cli", *sys.argv[1:]]
    child = subprocess.Popen(command, stdin=other_end, stdout=other_end, stderr=other_end)
    os.close(other_end)
    seen = b""

    def expect(text, after):
        nonlocal seen
        deadline = time.monotonic() + 60
        while text not in seen[after:]:
            assert time.monotonic() < deadline, (text, seen)
            seen += os.read(terminal, 4096)
        return len(seen)

    def say(text):
        os.write(terminal, text + b"\n")

    def say_unseen(text):
        # The terminal is quiet, and has dropped what was typed ahead, before the prompt is shown.
        local_modes = termios.tcgetattr(terminal)[3]
        assert not local_modes & termios.ECHO, "the terminal shows what is typed"
        say(text)

    at = expect(b"aws-cloudhsm > ", 0)
    say(b"login --username admin --role admin")
    at = expect(b"Enter password:", at)
    say_unseen(SECRET)
    at = expect(b"admin@cluster-", at)
    assert SECRET not in seen, "the password is shown"
    say(b"user create --username carol --role crypto-user")
    at = expect(b"Enter password:", at)
    say_unseen(b"carolsPassword")
    at = expect(b"Confirm password:", at)
    say_unseen(b"carolsPassword")
    at = expect(b'"username": "carol"', at)
    assert b"carolsPassword" not in seen, "the password is shown"
    say(b"help key list")
    at = expect(b"--starting-token", at)
    say(b"nonsense")
    at = expect(b"unrecognized", at)
    say(b"logout")
    at = expect(b"aws-cloudhsm > ", at)
    say(b"quit")
    assert child.wait(60) == 0
    print("ok")


main()
