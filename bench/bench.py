"""Measures Cordon and, in the same run, what it is compared with. Needs root; see `make bench`."""

import argparse
import datetime
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import threading

import files
import images
import measures
import peers
import sdk
import tunnels
from report import Report
from service import Service


PARTS = ("calls", "data", "crowds", "peers")


def machine():
    model = next(
        (line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")), os.uname().machine)
    return (f"{os.cpu_count()} cores ({model}), Linux {os.uname().release}, {datetime.date.today()}; "
            f"load {os.getloadavg()[0]:.2f} at the start")


def competitors(directory):
    """Everything that can run here, cheapest first."""
    runner = peers.Runner(peers.fetch(directory))
    found = [peers.Floor(runner), peers.Namespaces(runner, directory)]
    if runner.has("bwrap"):
        found.append(peers.Bubblewrap(runner))
    found += [peers.Runtime(name, runner, directory) for name in ("crun", "runc") if runner.has(name)]
    if runner.has("runsc"):
        found.append(peers.Runtime("runsc", runner, directory, "--ignore-cgroups", "--network=none", "--platform=ptrace"))
    if runner.has("dockerd"):
        try:
            found.append(peers.Docker(runner, directory))
        except OSError as error:
            print(f"  docker is left out: {error}")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", nargs="?", default=".build/release", type=pathlib.Path)
    parser.add_argument("--json", type=pathlib.Path, help="write the figures here as well")
    parser.add_argument("--svg", type=pathlib.Path, help="write a chart here")
    parser.add_argument("--markdown", type=pathlib.Path, help="write the table here")
    parser.add_argument("--count", type=int, default=200, help="how often each thing is done")
    parser.add_argument("--hold", type=int, default=0, help="for how many seconds they are then left alone")
    parser.add_argument("--most", type=int, default=2000, help="how many sandboxes there are in the end")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS,
                        help="single calls and streams; the SDK, files and images; many sandboxes; the peers' own")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # A thread of a client that fails ends the run.
    threading.excepthook = lambda failure: (print(failure.exc_value, file=sys.stderr), os.kill(os.getpid(), signal.SIGTERM))

    report = Report(machine())
    directory = tempfile.mkdtemp(prefix="cordon-bench-peers-", dir="/tmp")
    os.chmod(directory, 0o711)
    programs = chosen.programs.resolve()
    service = Service(programs)
    others = []
    try:
        others = competitors(directory)
        docker = next((peer for peer in others if isinstance(peer, peers.Docker)), None)
        if "calls" in chosen.parts:
            measures.creates(report, service, chosen.count, target=3)
            measures.creates(report, service, chosen.count, "Cordon, without a network", block_network=True)
            measures.cycles(report, service, chosen.count)
            measures.execs(report, service, chosen.count)
            measures.echo(report, service, chosen.count)
            measures.throughput(report, service, 1 << 30)
            if others:
                tunnels.measure(report, service, others[0].runner, directory, chosen.count)
        if "data" in chosen.parts:
            sdk.measure(report, service, chosen.count)
            files.measure(report, service, docker, directory)
            if others:
                images.measure(report, service, docker, others[0].runner, directory, programs, chosen.count)
        if "crowds" in chosen.parts:
            measures.empty_pool(report, programs, chosen.count)
            measures.beside_busy(report, service, chosen.count)
            measures.rate(report, service, 320)
            steps = [step for step in (10, 100, 1000, 2000) if step <= chosen.most]
            measures.growth(report, service, steps, chosen.hold)
        if "peers" in chosen.parts:
            peers.hide_unified_tree()
            measures.peers(report, others, chosen.count)
    finally:
        for peer in others:
            if hasattr(peer, "down"):
                peer.down()
        service.down()
        shutil.rmtree(directory, ignore_errors=True)
    report.targets()
    for path, text in (
        (chosen.json, report.json), (chosen.markdown, report.markdown),
        (chosen.svg, lambda: report.chart([measures.CYCLE, measures.EXEC])),
    ):
        if path:
            path.write_text(text())


main()
