#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""What bench does with figures: joins, compares, prints and draws them.

    report.py join RESULT COUNTS PROGRAM    figures of one boot, on stdout
    report.py known FIGURES                 known sequences were counted right
    report.py same FIGURES FIGURES...       two of the runs agree, for each figure
    report.py check ARCH BUDGETS FIGURES... none above its budget, whatever one boot says
    report.py lower ARCH BUDGETS FIGURES... lowers budgets, on stdout
    report.py json OUT KEY=VALUE...         all figures of a run, as JSON
    report.py table JSON                    as text
    report.py native LOG JSON RELEASE       what 'bench native' printed, as text and JSON
    report.py draw JSON ARCH OUT            as pictures OUT.svg and OUT.png
    report.py publish JSON                  brings a run's figures and pictures into this repository
    report.py published                     what the repository shows is from one run

A file of figures has lines "OPERATION KB INSTRUCTIONS LOCKED [RETRIES]", for each page.
"""
import contextlib
import io
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import textwrap

REPEAT = 1.005		# two runs of one kernel
LIMIT = 1.02		# above a budget
# Below these, one instruction more or less for a page is the method's grain.
GRAIN = (1.0, 0.02)

# Key in bench.json, title, colour of its curves (None: in tables only); in the order
# of tables and pictures
KERNELS = [("stock-6.1", "stock 6.1", "#888888"), ("laf", "this tree", "#c0392b"),
           ("laf-noid", "no RMAP_ID", None), ("stock-6.12", "stock 6.12", "#2471a3")]
TITLES = {
    "fault": "fault",
    "fork": "fork, the first",
    "fork_again": "fork, again",
    "exit": "exit of a child",
    "munmap": "munmap",
    "mprotect": "mprotect there and back",
    "dontneed": "MADV_DONTNEED page by page",
    "free": "MADV_FREE",
    "remap": "remap a huge page by PTEs",
    "write_byte_alive": "write a byte, child alive",
    "write_all_alive": "write all, child alive",
    "write_byte_gone": "write a byte, child gone",
    "write_all_gone": "write all, child gone",
    "swapout": "swap out",
}
CONTEND = {
    "cow_seq": "copy on write, in sequence",
    "cow_rand": "copy on write, at random",
    "fork": "fork",
    "exit": "exit",
    "dontneed": "MADV_DONTNEED page by page",
    "munmap": "munmap",
}


def fail(text):
    sys.exit(f"laf bench: {text}")


def read(path):
    figures = {}
    with open(path) as file:
        for line in file:
            op, kb, *numbers = line.split()
            figures[op, int(kb)] = tuple(float(n) for n in numbers)
    return figures


def write_line(key, figure):
    print(f"{key[0]} {key[1]} {figure[0]:.3f} " + " ".join(f"{n:.4f}" for n in figure[1:]))


def usual(values):
    """The second least of the rounds. Into the dearer ones something may have come,
    the page allocator's lists above all; the least may have profited from it."""
    return sorted(values)[min(1, len(values) - 1)]


def join(result, counts, program):
    """The program's lines say what was measured, the plugin's how much."""
    all_cpus = program.startswith("contend")
    pairs, irqs = [], None
    with open(counts) as file:
        for line in file:
            words = line.split()
            if words[0] == "end" and int(words[1]) == len(pairs):
                irqs = int(words[2])
            elif words[0].isdigit() and int(words[0]) == len(pairs) + 1 and len(words) == 7:
                pairs.append([int(w) for w in words[1:]])
            else:
                fail(f"the plugin's counts are not whole: {line.strip()}")
    if irqs is None:
        fail("the plugin's counts have no end: QEMU was stopped")
    if irqs == 0:
        fail("no interrupt was seen, so their entry points are wrong")
    measured, running, ended = [], None, None
    with open(result, errors="replace") as file:
        for line in file:
            words = line.split()
            if line.startswith("@start "):
                running = words[1]
            elif line.startswith("@end "):
                if words[2:] != ["exit", "0"]:
                    fail(f"the benchmark did not get to its end: {' '.join(words[1:])}")
                ended = running if running == program else ended
            elif line.startswith(" figure "):
                measured.append([running, words[1], int(words[2]), int(words[3]), None])
            elif line.startswith(" retries "):
                measured[-1][4] = int(words[1])
    if ended is None:
        fail(f"the benchmark did not get to its end: no end of '{program}'")
    if len(measured) != len(pairs):
        fail(f"{len(measured)} measurements, but the plugin counted {len(pairs)}")
    rounds = {}
    for (name, op, kb, pages, retries), (insns, locked, user, user_locked, total, total_locked) in zip(measured, pairs):
        if name != program:
            continue
        if op == "known_user":
            figure = (user, user_locked)
        elif all_cpus and retries is None:
            fail(f"the benchmark says nothing of retries after {op} {kb}")
        elif all_cpus:
            figure = (total / pages, total_locked / pages, retries / pages)
        else:
            figure = (insns / pages, locked / pages)
        rounds.setdefault((op, kb), []).append(figure)
    for key, figures in rounds.items():
        write_line(key, [usual(column) for column in zip(*figures)])


def test(ok, name):
    print(("ok " if ok else "not ok ") + name)
    return 0 if ok else 1


def known(path):
    figures = read(path)
    insns, locked = figures["known_user", 0]
    once, twice = figures["getppid_100", 0][0], figures["getppid_200", 0][0]
    bad = test(locked == 2000, f"method: 2000 locked instructions in user space count as {locked:.0f}")
    want = 5000 if insns < 6000 else 7000
    bad += test(want <= insns < want + 50, f"method: {want} instructions in user space count as {insns:.0f}")
    # what an interrupt leaves behind for the next call is a few instructions
    bad += test(once > 3000 and abs(twice - 2 * once) < 0.001 * twice and not figures["getppid_200", 0][1],
                f"method: 100 calls of getppid count as {once:.0f}, 200 as {twice:.0f}, none locked")
    return bad


def above(new, old, ratio):
    """Names of what is more than it may be."""
    return [f"{new[i]:.2f} {what} beside {old[i]:.2f}"
            for i, what in enumerate(("instructions", "locked instructions"))
            if new[i] > old[i] * ratio and new[i] > old[i] + GRAIN[i]]


def is_judged(key):
    # what a whole process costs moves with where its slabs happen to be
    return not key[0].endswith("_bare")


def same(*paths):
    """Each figure is alike in two of the runs."""
    runs = [read(path) for path in paths]
    bad = []
    if any(run.keys() != runs[0].keys() for run in runs):
        bad.append("two runs measured different things")
    for key in runs[0] if not bad else ():
        differ = [above(a[key], b[key], REPEAT) + above(b[key], a[key], REPEAT)
                  for i, a in enumerate(runs) for b in runs[i + 1:]]
        if is_judged(key) and all(differ):
            bad.append(f"{key[0]} {key[1]} kB: {differ[0][0]}")
    return test(not bad, "; ".join([f"two runs differ by less than {100 * REPEAT - 100:.1f} %"] + bad))


def read_budgets(path):
    lines = []
    with open(path) as file:
        for line in file:
            words = line.split()
            if words and not line.startswith("#"):
                lines.append((words[0], (words[1], int(words[2])), (float(words[3]), float(words[4]))))
            else:
                lines.append(line)
    return lines


def judged(*paths):
    """The figures of several boots: the middle one of each, or the lower of two. What the
    kernel does by itself falls into the rounds of one boot."""
    runs = [read(path) for path in paths]
    return {key: [statistics.median_low(run[key][i] for run in runs if key in run) for i in (0, 1)]
            for key in runs[0] if is_judged(key)}


def check(arch, budgets, *paths):
    figures = judged(*paths)
    bad = lower = 0
    seen = set()
    for line in read_budgets(budgets):
        if isinstance(line, str) or line[0] != arch:
            continue
        key, budget = line[1:]
        seen.add(key)
        if key not in figures:
            bad += test(False, f"{arch} {key[0]} {key[1]} kB: there is a budget and no figure")
            continue
        over = above(figures[key], budget, LIMIT)
        lower += bool(above(budget, figures[key], LIMIT))
        bad += test(not over, f"{arch} {key[0]} {key[1]} kB: " + (
            "over its budget: " + ", ".join(over) if over else
            f"{figures[key][0]:.1f} / {figures[key][1]:.2f} within its budget"))
    for key in figures.keys() - seen:
        bad += test(False, f"{arch} {key[0]} {key[1]} kB has no budget; 'laf bench --lower' adds it")
    if lower:
        print(f"# {lower} figures are more than 2 % below their budgets; 'laf bench --lower' lowers them")
    return bad


def lower(arch, budgets, *paths):
    figures = judged(*paths)
    lines = read_budgets(budgets)
    for line in lines:
        if isinstance(line, str):
            sys.stdout.write(line)
            continue
        old = line[2]
        new = figures.pop(line[1], old) if line[0] == arch else old
        print(f"{line[0]} {line[1][0]} {line[1][1]} {min(old[0], new[0]):.1f} {min(old[1], new[1]):.3f}")
    for key, new in figures.items():
        print(f"{arch} {key[0]} {key[1]} {new[0]:.1f} {new[1]:.3f}")


def operations(path):
    ops = {}
    for (op, kb), figure in read(path).items():
        ops.setdefault(op, {})[str(kb)] = [round(figure[0], 2)] + [round(n, 3) for n in figure[1:]]
    return ops


def make_json(out, *pairs):
    """figures=ARCH:KERNEL:RELEASE:FILE, contend=ARCH:KERNEL:CPUS:FILE, NAME=TEXT"""
    data = {
        "license": "SPDX-License-Identifier: GPL-2.0",
        "what": "kernel instructions and locked instructions for each 4 KiB page, counted in emulation (QEMU TCG)",
    }
    for pair in pairs:
        name, value = pair.split("=", 1)
        if name == "figures":
            arch, kernel, release, path = value.split(":", 3)
            data.setdefault("kernels", {}).setdefault(arch, {})[kernel] = {
                "release": release, "operations": operations(path)}
        elif name == "contend":
            arch, kernel, cpus, path = value.split(":", 3)
            data.setdefault("contention", {}).setdefault(arch, {}).setdefault(cpus, {})[kernel] = operations(path)
        else:
            data[name] = value
    text = json.dumps(data, indent=1)
    # a figure a line
    text = re.sub(r"\[[0-9.,\s]+\]", lambda m: " ".join(m[0].split()).replace("[ ", "[").replace(" ]", "]"), text)
    with open(out + ".part", "w") as file:
        file.write(text + "\n")
    os.rename(out + ".part", out)


def load(path):
    with open(path) as file:
        return json.load(file)


def cell(figure):
    if not figure:
        return "-"
    return f"{figure[0]:.1f}/{figure[1]:.2f}" if figure[0] < 1000 else f"{figure[0]:.0f}/{figure[1]:.2f}"


def row(name, kernel, cells):
    print(f"{name:27}{kernel:11}" + "".join(f"{c:>13}" for c in cells).rstrip())


def table(path):
    data = load(path)
    for arch, kernels in data.get("kernels", {}).items():
        sizes = sorted({int(kb) for k in kernels.values() for op in k["operations"].values() for kb in op})
        print(f"{arch}: kernel instructions/locked instructions for each 4 KiB page, by folio size (2048 kB: a huge")
        print("page mapped by PTEs; its fault maps it whole). Counted in emulation, so no times.")
        row("", "", [f"{kb} kB" for kb in sizes])
        for op, title in list(TITLES.items()) + [("fork_bare", "(fork of a bare process)"),
                                                 ("exit_bare", "(exit of a bare process)")]:
            for key, name, _ in KERNELS:
                figures = kernels.get(key, {}).get("operations", {}).get(op, {})
                if figures:
                    row(title, name, [cell(figures.get(str(kb))) for kb in sizes])
                    title = ""
        print()
    for arch, by_cpus in data.get("contention", {}).items():
        for cpus, kernels in by_cpus.items():
            contention(arch, cpus, kernels)


def summary(data):
    """README's tables."""
    columns = [("stock-6.1", "stock {}, 4 kB", "4"), ("laf", "this tree, 4 kB", "4"),
               ("laf", "this tree, 64 kB", "64"), ("stock-6.12", "stock {}, 64 kB", "64")]
    print(f"Kernel instructions / locked instructions for each 4 KiB page at commit {data['commit']}, counted in")
    print("emulation (they are no times), all kernels in one run of `./laf bench`:\n")
    for arch, kernels in data["kernels"].items():
        heads = [title.format(kernels[kernel]["release"]) for kernel, title, _ in columns]
        print(f"| {arch} | " + " | ".join(heads) + " |\n" + "|---" * (1 + len(columns)) + "|")
        for op, title in TITLES.items():
            figures = [kernels[kernel]["operations"].get(op, {}).get(kb) for kernel, _, kb in columns]
            if all(figures):
                print(f"| {title} | " + " | ".join(f"{f[0]:.0f} / {f[1]:.1f}" for f in figures) + " |")
        print()


def tracking(data):
    """The tables in Documentation/mm/rmap_id.rst."""
    print(f"At commit {data['commit']}, instructions/locked instructions for each page of 64 kB::\n")
    for arch, kernels in data["kernels"].items():
        print(f"  {arch:27}{'with RMAP_ID':>14}{'without':>14}")
        for op in ("fault", "fork", "fork_again", "exit", "munmap", "write_byte_alive"):
            cells = [cell(kernels[kernel]["operations"][op]["64"]) for kernel in ("laf", "laf-noid")]
            print(f"  {TITLES[op]:27}" + "".join(f"{c:>14}" for c in cells))
        print()
    print("Where CPUs contend::\n")
    for arch, by_cpus in data["contention"].items():
        for cpus, kernels in by_cpus.items():
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                contention(arch, cpus, kernels)
            print(textwrap.indent(out.getvalue(), "  "), end="")


# Where figures stand, between two lines that say so
PUBLISHED = {"README.md": summary, "Documentation/mm/rmap_id.rst": tracking}
HERE = os.path.dirname(os.path.abspath(__file__))


def filled(name, data):
    """A file of the repository, and what it is to be with these figures."""
    with open(os.path.join(HERE, "../..", name)) as file:
        text = file.read()
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        PUBLISHED[name](data)
    new, count = re.subn(r"^(\S+ figures: [^\n]*\n\n).*?(?=^\S+ figures end)", lambda m: m[1] + out.getvalue(),
                         text, flags=re.S | re.M)
    if count != 1:
        fail(f"{name} lacks the two lines between which the figures go")
    return text, new


def publish(path):
    data = load(path)
    if data["commit"].endswith("-dirty"):
        fail("the figures are of a tree with changes: commit them and run 'laf bench' again")
    if set(data["kernels"]) != {"x86_64", "arm64"}:
        fail("the figures are of one architecture: run 'laf bench' for both")
    for name in PUBLISHED:
        text = filled(name, data)[1]
        with open(os.path.join(HERE, "../..", name), "w") as file:
            file.write(text)
    for arch in data["kernels"]:
        shutil.copy(f"{os.path.dirname(path)}/bench-{arch}.svg", f"{HERE}/{arch}.svg")
    shutil.copy(path, f"{HERE}/bench.json")


def published():
    data, bad = load(f"{HERE}/bench.json"), 0
    for name in PUBLISHED:
        old, new = filled(name, data)
        bad += test(old == new, f"{name} shows the figures of harness/bench/bench.json")
    for arch in data["kernels"]:
        with open(f"{HERE}/{arch}.svg") as file:
            bad += test(f"commit {data['commit']};" in file.read(), f"harness/bench/{arch}.svg is of the same run")
    return bad


def contention(arch, cpus, kernels):
    others = KERNELS[1:]
    print(f"{arch}, {cpus} CPUs at once on the same folios: instructions/locked instructions for each page, and their")
    print("ratio to stock 6.1 (its 4 kB pages where it has no such size). Emulated CPUs: no throughput. Retries: how")
    print("often, for each page, a reader of who maps a folio met a writer.")
    print(f"{'':27}{'kB':>5}{'stock 6.1':>13}" + "".join(
        f"{name:>14}{'ratio':>11}{'retries' if key == 'laf' else '':>9}".rstrip() for key, name, _ in others))
    base = kernels.get("stock-6.1", {})
    for op, title in CONTEND.items():
        for kb in ("4", "64", "2048"):
            stock = base.get(op, {}).get(kb)
            beside = stock or base.get(op, {}).get("4")
            line = f"{title:27}{kb:>5}{cell(stock):>13}"
            for key, *_ in others:
                figure = kernels.get(key, {}).get(op, {}).get(kb)
                ratio = "-"
                if figure and beside:
                    ratio = f"{figure[0] / beside[0]:.2f}/{figure[1] / beside[1]:.2f}"
                line += f"{cell(figure):>14}{ratio:>11}"
                if key == "laf":
                    line += f"{figure[2]:>9.3f}" if figure else f"{'-':>9}"
            print(line)
            title = ""
    print()


def native(log, out, release):
    """Nanoseconds for each page of this machine's size, the least of the rounds."""
    best = {}
    with open(log) as file:
        for line in file:
            words = line.split()
            if words[0] == "time":
                pages = int(words[3])
                key = (words[1], int(words[2]))
                best[key] = min(best.get(key, 1e18), int(words[4]) / pages)
    sizes = sorted({kb for _, kb in best})
    if not sizes:
        fail(f"the benchmark measured nothing, see {log}")
    print(f"Linux {release}: nanoseconds for each page, by folio size ({sizes[-1]} kB: a huge page mapped by PTEs;")
    print("its fault maps it whole). The least of ten rounds, on one CPU.")
    row("", "", [f"{kb} kB" for kb in sizes])
    for op, title in TITLES.items():
        if any(key[0] == op for key in best):
            row(title, "", [f"{best[op, kb]:.1f}" if (op, kb) in best else "-" for kb in sizes])
    ops = {}
    for (op, kb), ns in best.items():
        ops.setdefault(op, {})[str(kb)] = round(ns, 2)
    with open(out + ".part", "w") as file:
        json.dump({"what": "nanoseconds for each page", "release": release, "operations": ops}, file, indent=1)
        file.write("\n")
    os.rename(out + ".part", out)


def draw(path, arch, out):
    """One panel for each operation, instructions (solid) against folio size."""
    data = load(path)
    kernels = data["kernels"][arch]
    drawn = [kernel for kernel in KERNELS if kernel[2]]
    panels = [op for op in TITLES if not op.startswith("write_all")]
    for kind, (index, what) in {"": (0, "instructions"), "-locked": (1, "locked instructions")}.items():
        script = ["set encoding utf8", "set style data linespoints", "set key off", "set grid ytics lt 1 lc rgb '#dddddd'",
                  "set logscale x 2", "set xrange [3:2800]", "set tics font ',9'",
                  "set xtics ('4' 4, '16' 16, '64' 64, '256' 256, '1M' 1024, '2M' 2048)"]
        plots = []
        for op in panels:
            curves, top = [], 0
            for key, name, colour in drawn:
                figures = kernels.get(key, {}).get("operations", {}).get(op, {})
                points = [(int(kb), f[index]) for kb, f in sorted(figures.items(), key=lambda p: int(p[0]))]
                if points:
                    top = max(top, *(y for _, y in points))
                    curves.append((name, colour, points))
            plots.append((op, top, curves))
        for term, suffix in (("svg noenhanced size 1200,1000 font 'sans-serif,11' background '#ffffff'", "svg"),
                             ("pngcairo noenhanced size 1200,1000 font 'sans-serif,10' background '#ffffff'", "png")):
            name = f"{out}{kind}.{suffix}"
            body = script + [
                f"set terminal {term}", f"set output '{name}.part'",
                "set multiplot layout 4,3 margins 0.06,0.98,0.07,0.86 spacing 0.055,0.085",
                f"set label 1 'Kernel {what} for each 4 KiB page, by folio size in kB ({arch})' at screen 0.5,0.975 center font ',15'",
                f"set label 2 'counted in emulation (QEMU TCG), commit {data.get('commit', '?')}; 2M: a huge page mapped by PTEs, "
                "its fault maps it whole' at screen 0.5,0.948 center font ',10'"]
            x = 0.30
            for number, (key, title, colour) in enumerate(drawn):
                release = kernels.get(key, {}).get("release", "")
                text = title if key == "laf" else f"{title[:5]} {release}"
                body.append(f"set label {10 + number} '●  {text}' at screen {x},0.918 tc rgb '{colour}' font ',12'")
                x += 0.16
            for op, top, curves in plots:
                body.append(f"set title '{TITLES[op]}' offset 0,-0.6 font ',11'")
                body.append(f"set yrange [0:{max(top * 1.12, 0.01)}]")
                parts, blocks = [], []
                sizes = sorted({kb for _, _, points in curves for kb, _ in points})
                for _, colour, points in curves:
                    parts.append(f"'-' with linespoints lc rgb '{colour}' lw 1.6 pt 7 ps {0.9 if len(points) < 3 else 0.5}")
                    # a kernel without the sizes between two has no line there: two empty
                    # lines end one
                    last = None
                    for kb, y in points:
                        if last is not None and sizes.index(kb) > sizes.index(last) + 1:
                            blocks += ["", ""]
                        blocks.append(f"{kb} {y}")
                        last = kb
                    blocks.append("e")
                body.append("plot " + ", ".join(parts) if parts else "plot NaN")
                body += blocks
                # the common labels belong to the page: draw them once
                body += ["unset label"]
            body += ["unset multiplot", "unset output"]
            run = subprocess.run(["gnuplot"], input="\n".join(body) + "\n", text=True, capture_output=True)
            if run.returncode or not os.path.getsize(name + ".part"):
                fail(f"gnuplot failed: {run.stderr.strip().splitlines()[-1:]}")
            if suffix == "svg":
                with open(name + ".part") as file:
                    text = file.read()
                with open(name + ".part", "w") as file:
                    file.write(text.replace("?>", "?>\n<!-- SPDX-License-Identifier: GPL-2.0 -->", 1))
            os.rename(name + ".part", name)


def main():
    calls = {"join": join, "known": known, "same": same, "check": check, "lower": lower,
             "json": make_json, "table": table, "native": native, "draw": draw,
             "publish": publish, "published": published}
    if len(sys.argv) < 2 or sys.argv[1] not in calls:
        sys.exit(__doc__)
    sys.exit(1 if calls[sys.argv[1]](*sys.argv[2:]) else 0)


main()
