"""Runs in a container: grabs for every process that turns up, and prints what it gets that is not the container's.

What tells an entering process from a command is that it cannot be looked into; whatever can be looked into must be
the container's own: its root, its working directory, its program, its memory, its files.
"""

import os
import stat

ROOT = os.stat("/")
ME = os.getpid()
seen, closed = set(), 0


def got(what):
    if what not in seen:
        seen.add(what)
        print("GOT", what, flush=True)


def grab(pid):
    global closed
    at = f"/proc/{pid}"
    try:
        exe = os.readlink(f"{at}/exe")
    except PermissionError:
        exe, closed = None, closed + 1
        if closed in (1, 10, 100):
            print("SAW", closed, flush=True)
    except OSError:
        return
    if exe and not exe.startswith(("/bin/", "/usr/", "/lib")):
        got(f"exe {exe}")
    try:
        # The map belongs to the memory that it was opened of, whatever the process executes then.
        with open(f"{at}/maps") as maps:
            text = maps.read()
            if "memfd" in text or "coracle" in text:
                got("memory")
    except OSError:
        pass
    if exe is None:
        for name, flags in (("mem", os.O_RDWR), ("environ", os.O_RDONLY), ("auxv", os.O_RDONLY)):
            try:
                fd = os.open(f"{at}/{name}", flags)
            except OSError:
                continue
            # It may have come to its command in between: then this is that one's.
            try:
                now = os.readlink(f"{at}/exe")
                if "memfd" in now:
                    got(name)
            except OSError:
                pass
            os.close(fd)
    for name in ("root", "cwd"):
        try:
            found = os.stat(f"{at}/{name}/.")
            if (found.st_dev, found.st_ino) != (ROOT.st_dev, ROOT.st_ino):
                got(f"{name} {os.readlink(f'{at}/{name}')}")
        except OSError:
            pass
    try:
        fds = os.listdir(f"{at}/fd")
    except OSError:
        fds = []
    for number in fds:
        try:
            to = os.readlink(f"{at}/fd/{number}")
            if not to.startswith(("pipe:", "/dev/null")) and to not in ("/", "/bin/true", "/bin/busybox"):
                mode = os.stat(f"{at}/fd/{number}").st_mode
                got(f"fd {number} {to} {stat.S_IFMT(mode):o}")
        except OSError:
            pass


print("up", flush=True)
while True:
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in (1, ME):
            grab(int(name))
