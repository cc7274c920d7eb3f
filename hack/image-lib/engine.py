"""Containers, by podman as root, as a node's runtime makes them: in the network namespace of the test's node."""

import pathlib
import re
import subprocess
import time

import network


class Engine:
    def __init__(self, work):
        self.command = [
            *["nsenter", f"--net=/run/netns/{network.NODE}", "podman", "--storage-driver=overlay", "--events-backend=none"],
            *[f"--root={work}/storage", f"--runroot={work}/run", f"--tmpdir={work}/tmp"],
        ]

    def __call__(self, *arguments, check=True):
        """What podman prints, standard error included."""
        ended = subprocess.run(
            [*self.command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if check and ended.returncode != 0:
            raise RuntimeError(f"podman {' '.join(arguments)}: {ended.stdout.strip()}")
        return ended.stdout

    def start(self, name, pod):
        # Control groups are of no interest here, and not everywhere to be had.
        self("create", "--cgroups=disabled", *pod.podman_arguments(name))
        self("start", name)

    def state(self, name, what):
        return self("inspect", "--format", "{{.State.%s}}" % what, name).strip()

    def ended(self, name):
        """The exit code, once there is one."""
        deadline = time.monotonic() + 60
        while self.state(name, "Status") != "exited":
            if time.monotonic() > deadline:
                raise RuntimeError(f"{name} has not ended:\n{self.logs(name)}")
            time.sleep(0.1)
        return int(self.state(name, "ExitCode"))

    def logs(self, name):
        return self("logs", name)

    def execute(self, name, *command):
        return self("exec", name, *command)

    def process_status(self, name):
        """/proc/PID/status of the container's process, by field."""
        text = pathlib.Path(f"/proc/{self.state(name, 'Pid')}/status").read_text()
        return dict(re.findall(r"^(\w+):\s*(.*)$", text, re.MULTILINE))
