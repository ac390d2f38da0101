"""A Slurm of one node for a test: munged, slurmctld and slurmd in a folder of their own, without systemd."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")
CONF = """\
ClusterName=test
SlurmctldHost={host}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
KillWait=5
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
NodeName={host} CPUs={cpus}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def programs_there() -> bool:
    """Whether Slurm is installed, and this user may start it."""
    return all(shutil.which(name, path=_path()) for name in PROGRAMS) and hasattr(os, "geteuid") and os.geteuid() == 0


class Slurm:
    """What a test does with it."""

    def __init__(self, folder: Path) -> None:
        self.environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": _path()}

    def run(self, *command: object) -> str:
        """Run one of its commands; gives what it prints."""
        done = self._done(*command)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def said(self, *command: object) -> str:
        """What a command prints, whether it succeeds or not."""
        return self._done(*command).stdout

    def _done(self, *command: object) -> subprocess.CompletedProcess[str]:
        words = [str(word) for word in command]
        return subprocess.run(words, env=self.environment, capture_output=True, text=True, check=False)

    def wait(self, job: str, *, seconds: float = 300.0) -> None:
        """Until no task of a job is queued or running."""
        end = time.monotonic() + seconds
        while self.run("squeue", "--noheader", "--jobs", job, "--format", "%i %T"):
            assert time.monotonic() < end, self.run("squeue")
            time.sleep(0.5)


@contextmanager
def slurm(folder: Path) -> Iterator[Slurm]:
    """Start it below a folder, and end it."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o755)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    host = socket.gethostname()
    conf = CONF.format(host=host, folder=folder, ports=_free_ports(2), cpus=os.cpu_count() or 1)
    (folder / "slurm.conf").write_text(conf, encoding="utf-8")
    there = Slurm(folder)
    munge = ["munged", "--force", "--foreground", f"--socket={folder}/munge.socket", f"--key-file={key}"]
    munge += [f"--{name}-file={folder}/munged.{name}" for name in ("pid", "log", "seed")]
    daemons = [
        munge,
        ["slurmctld", "-D", "-f", str(folder / "slurm.conf")],
        ["slurmd", "-D", "-f", str(folder / "slurm.conf")],
    ]
    started: list[subprocess.Popen[bytes]] = []
    try:
        for daemon in daemons:
            log = (folder / f"{daemon[0]}.out").open("wb")
            started.append(subprocess.Popen(daemon, env=there.environment, stdout=log, stderr=log))
            time.sleep(1.0)
        end = time.monotonic() + 60
        while "idle" not in there.said("sinfo", "--noheader", "--format", "%T"):
            assert time.monotonic() < end, (folder / "slurmctld.log").read_text()[-2000:]
            time.sleep(0.5)
        yield there
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


def _path() -> str:
    return os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports
