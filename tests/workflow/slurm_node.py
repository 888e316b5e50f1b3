"""A SLURM cluster of one node on loopback, from Debian's packages slurm-wlm and munge."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

CONFIGURATION = """
ClusterName=uhn
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobs.txt
MinJobAge=900
ReturnToService=2
SlurmdTimeout=10
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory={memory} State=UNKNOWN
PartitionName=debug Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


SHARED = Path("/etc/slurm/slurm.conf")
"""Where the steps of a job look: the plugin does not hand the variable SLURM_CONF on to them."""


def missing() -> str | None:
    """What a test of SLURM lacks here."""
    if tools := [name for name in ("munged", "slurmctld", "slurmd") if shutil.which(name) is None]:
        return f"{', '.join(tools)} not installed (Debian: slurm-wlm munge)"
    if os.geteuid() != 0 or not SHARED.parent.is_dir():
        return f"SLURM's daemons want root and {SHARED.parent} here"
    if SHARED.exists():
        return f"there is a {SHARED}: this machine has a SLURM of its own"
    return None if find_spec("snakemake_executor_plugin_slurm") else "needs the extra slurm"


@dataclass
class Node:
    """The cluster's one node, and the environment that the commands need."""

    environment: dict[str, str]
    configuration: Path
    slurmd: subprocess.Popen[bytes]

    def say(self, *command: str) -> str:
        """What a command of SLURM prints."""
        return subprocess.run(command, env=os.environ | self.environment, capture_output=True, text=True).stdout

    def wait_for(self, state: str) -> None:
        """Wait until the controller takes the node to be ``idle``, ``down*`` or the like."""
        for _ in range(120):
            if (said := self.say("sinfo", "-h", "-o", "%T").strip()) == state:
                return
            time.sleep(1)
        raise RuntimeError(f"wanted the node to be {state}, got {said}")

    def fail(self, job: str) -> None:
        """Have the node die as by a power cut, with all that runs on it, and come back once that has been noticed."""
        pids = [line.split()[0] for line in self.say("scontrol", "listpids", job).splitlines()[1:]]
        steps = [path.parent.name for path in Path("/proc").glob("[0-9]*/cmdline") if _is_step(path, job)]
        self.slurmd.kill()
        for pid in [*steps, *pids]:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        self.slurmd.wait()
        self.wait_for("down*")
        self.start()

    def start(self) -> None:
        """Start the node's daemon again."""
        self.slurmd = _daemon("slurmd", "-D", "-f", self.configuration)

    def stop(self) -> None:
        """Stop it."""
        self.slurmd.terminate()
        self.slurmd.wait()


def _is_step(path: Path, job: str) -> bool:
    with suppress(OSError):
        return path.read_bytes().startswith(f"slurmstepd: [{job}.".encode())
    return False


def _daemon(*command: str | Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def cluster(folder: Path) -> Iterator[Node]:
    """Run the daemons."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    ports = []
    with ExitStack() as sockets:
        for _ in range(2):
            one = sockets.enter_context(socket.socket())
            one.bind(("127.0.0.1", 0))
            ports.append(one.getsockname()[1])
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    host, path = socket.gethostname().split(".")[0], folder / "slurm.conf"
    path.write_text(CONFIGURATION.format(host=host, folder=folder, ports=ports, cores=os.cpu_count(), memory=memory))
    (folder / "key").write_bytes(os.urandom(1024))
    (folder / "key").chmod(0o400)
    munge = ["--force", "-F", "--key-file", folder / "key", "--socket", folder / "munge.socket"]
    munge += ["--log-file", folder / "munge.log", "--pid-file", folder / "munge.pid", "--seed-file", folder / "seed"]
    with ExitStack() as daemons:
        SHARED.symlink_to(path)
        daemons.callback(SHARED.unlink)
        for command in (["munged", *munge], ["slurmctld", "-D", "-f", path]):
            daemon = _daemon(*command)
            daemons.callback(daemon.wait)
            daemons.callback(daemon.terminate)
            time.sleep(1)
        node = Node({"SLURM_CONF": str(path)}, path, _daemon("slurmd", "-D", "-f", path))
        daemons.callback(node.stop)
        node.wait_for("idle")
        yield node
