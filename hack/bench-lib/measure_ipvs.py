"""Measures what --backend ipvs does, in the network namespaces of the virtual machine where hack/bench starts it.

It prints a line `NAME VALUE` for each value, in microseconds, as svcctl-bench does: hack/bench makes tables of them.
What is removed from IPVS slows it down for minutes, so each measurement has a network namespace of its own.
"""

import argparse
import ctypes
import os
import subprocess
import sys
import tempfile
import time

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
TOOLS = ["ipset restore", "iptables-nft-restore --noflush", "ip6tables-nft-restore --noflush", "ip -batch -", "ipvsadm -R"]


def enter_namespace() -> None:
    """The last one goes with the last process in it; the kernel takes seconds of work for that."""
    if LIBC.unshare(CLONE_NEWNET) != 0:
        sys.exit("cannot make a network namespace: " + os.strerror(ctypes.get_errno()))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    wait_until_idle()


def idle() -> float:
    """Seconds that the processors had nothing to do."""
    with open("/proc/uptime") as uptime:
        return float(uptime.read().split()[1])


def wait_until_idle() -> None:
    step = 0.3
    end = time.monotonic() + 60
    while time.monotonic() < end:
        start, before = time.monotonic(), idle()
        time.sleep(step)
        if idle() - before > 0.8 * (time.monotonic() - start) * os.cpu_count():
            return


def timed(name: str, command: list[str], text: str = os.devnull) -> None:
    with open(text) as stdin, tempfile.TemporaryFile() as output:
        start = time.monotonic()
        status = subprocess.run(command, stdin=stdin, stdout=output, stderr=output).returncode
        wall = time.monotonic() - start
        if status != 0:
            output.seek(0)
            sys.exit(f"{' '.join(command)} ended with {status}: {output.read().decode(errors='replace')}")
    print(name, wall * 1e6, flush=True)


def parts(prefix: str, command: list[str]) -> None:
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in output.rpartition("--\n")[2].splitlines():
        print(prefix + line, flush=True)


def sections(svcctl: str, path: str, directory: str) -> list[tuple[str, str]]:
    """The dry run: for each stock tool the file that it loads."""
    command = [svcctl, "apply", "--backend", "ipvs", "--dry-run", path]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    files = []
    for number, tool in enumerate(TOOLS):
        begin = text.index(f"# {tool}\n") + len(tool) + 3
        end = text.index(f"# {TOOLS[number + 1]}\n") if number + 1 < len(TOOLS) else len(text)
        files.append((tool, os.path.join(directory, f"section-{number}")))
        with open(files[-1][1], "w") as output:
            output.write(text[begin:end])
    return files


def apply(prefix: str, svcctl: str, bench: str, path: str, directory: str, runs: int) -> None:
    files = sections(svcctl, path, directory)
    # By turns, since the machine is not the same from one second to the next.
    for _ in range(runs):
        enter_namespace()
        timed(prefix + "svcctl", [svcctl, "apply", "--backend", "ipvs", path])
        enter_namespace()
        for tool, text in files:
            timed(prefix + tool.partition(" ")[0], tool.split(), text)
        enter_namespace()
        parts(prefix, [bench, "ipvs-apply", path])
        enter_namespace()
        parts(prefix + "parts-", [bench, "ipvs-parts", path])
        enter_namespace()
        parts(prefix + "alone-", [bench, "ipvs-parts", path, "--only-servers"])
        enter_namespace()
        parts(prefix + "single-", [bench, "ipvs-parts", path, "--only-servers", "--piece-bytes", "1"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", help="where SERVICES.json are")
    parser.add_argument("--binaries", required=True, help="where svcctl and svcctl-bench are")
    parser.add_argument("--apply", nargs="+", required=True, metavar="SERVICES", help="sizes that are applied from empty")
    parser.add_argument("--change", nargs=2, required=True, metavar="SERVICES", help="sizes of which endpoints change")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    svcctl, bench = (os.path.join(options.binaries, name) for name in ("svcctl", "svcctl-bench"))
    small = options.change[0]

    def path(services: str) -> str:
        return os.path.join(options.directory, f"{services}.json")

    with tempfile.TemporaryDirectory() as directory:
        # Everything once: programs are read from the host, and modules are loaded.
        apply("warm-", svcctl, bench, path(small), directory, 1)
        for _ in range(3):
            timed("start", [svcctl, "--version"])
        for services in options.apply:
            apply(f"{services}-", svcctl, bench, path(services), directory, options.runs)
    for services in options.change * 2:
        enter_namespace()
        parts(f"{services}-", [bench, "ipvs-endpoint", path(services)])
    enter_namespace()
    # The stock tool takes a minute.
    parts("ipset-", [bench, "ipset", "--runs", "1"])


if __name__ == "__main__":
    main()
