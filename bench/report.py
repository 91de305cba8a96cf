"""What was measured: rows, the table that people read, and the same as JSON and as a chart."""

import json
import statistics
from xml.sax.saxutils import escape


class Row:
    """One figure: what was measured of whom, `n` times, in `unit`."""

    def __init__(self, measure, who, values, unit="ms", target=None, most=True, tail=None):
        ordered = sorted(values)
        self.measure, self.who, self.unit, self.n = measure, who, unit, len(ordered)
        self.median = statistics.median(ordered)
        self.p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
        # The figure to reach, whether it is the most (or the least) that there should be, and the most of the 99th
        # percentile.
        self.target, self.most, self.tail = target, most, tail

    @property
    def is_cordon(self):
        return self.who.startswith("Cordon")

    def goals(self):
        """What was to be reached: of what, the sign, the figure, what there is, and how far off that is (1 and less is
        met)."""
        if self.target is not None:
            off = self.median / self.target if self.most else self.target / self.median
            yield "", "≤" if self.most else "≥", self.target, self.median, off
        if self.tail is not None:
            yield ", p99", "≤", self.tail, self.p99, self.p99 / self.tail


class Report:
    """The rows of one run, printed as they come."""

    def __init__(self, machine):
        self.machine = machine
        self.rows = []
        print(machine, flush=True)

    def add(self, measure, who, values, **about):
        row = Row(measure, who, values, **about)
        if not self.rows or self.rows[-1].measure != measure:
            print(f"\n{measure}\n  {'':46}{'median':>11}{'p99':>11}{'n':>6}   beside Cordon's", flush=True)
        self.rows.append(row)
        own = self.own(measure)
        ratio = "" if own is None or row.is_cordon else f"{row.median / own.median:.1f} x"
        print(
            f"  {row.who:46}{row.median:8.2f} {row.unit:<5}{row.p99:5.2f} {row.unit:<5}{row.n:4}   {ratio}".rstrip(),
            flush=True)

    def own(self, measure):
        """Cordon's first row of a measure: what others are compared with."""
        return next((row for row in self.rows if row.measure == measure and row.is_cordon), None)

    def grouped(self):
        """The rows, those of one measure together."""
        order = list(dict.fromkeys(row.measure for row in self.rows))
        return sorted(self.rows, key=lambda row: order.index(row.measure))

    def targets(self):
        """Each figure that was to be reached, beside what it is."""
        print(f"\nTargets\n  {'':70}{'target':>13}{'measured':>13}", flush=True)
        for row in self.rows:
            for of, sign, target, value, off in row.goals():
                verdict = "met" if off <= 1 else f"missed by {off:.2f} x"
                target = f"{sign} {target:g} {row.unit}"
                print(f"  {row.measure + of + ': ' + row.who:70}{target:>13}{value:8.2f} {row.unit:<4}  {verdict}")

    def markdown(self):
        """The table for the README."""
        lines = ["| Measure | | median | p99 | n | beside Cordon's | to reach |", "|---|---|---:|---:|---:|---:|---|"]
        last = None
        for row in self.grouped():
            own = self.own(row.measure)
            ratio = "" if own is None or row.is_cordon else f"{row.median / own.median:.1f} ×"
            name = row.measure if row.measure != last else ""
            last = row.measure
            goals = "; ".join(
                f"{of.lstrip(', ')} {sign} {target:g}{'' if off <= 1 else f' (missed by {off:.2f} ×)'}".strip()
                for of, sign, target, _, off in row.goals())
            tail = f"{row.p99:.2f} {row.unit}" if row.most and row.n > 1 else ""
            lines.append(
                f"| {name} | {row.who} | {row.median:.2f} {row.unit} | {tail} | {row.n} | {ratio} | {goals} |")
        return "\n".join(lines) + "\n"

    def json(self):
        rows = [
            {"measure": row.measure, "who": row.who, "median": row.median, "p99": row.p99, "n": row.n, "unit": row.unit}
            | ({"target": row.target} if row.target is not None else {})
            for row in self.grouped()
        ]
        return json.dumps({"machine": self.machine, "rows": rows}, indent=2, ensure_ascii=False) + "\n"

    def chart(self, measures):
        """An SVG with one group of bars for each of these measures: medians, on a logarithmic scale."""
        groups = [(name, [row for row in self.rows if row.measure == name]) for name in measures]
        groups = [(name, rows) for name, rows in groups if rows]
        bar, gap, head, left, width = 20, 18, 30, 260, 900
        height = sum(head + len(rows) * bar + gap for _, rows in groups) + 20
        low = min(row.median for _, rows in groups for row in rows) / 2
        high = max(row.median for _, rows in groups for row in rows)
        import math

        def length(value):
            return (width - left - 110) * math.log(value / low) / math.log(high / low)

        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">',
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        ]
        y = 10
        for name, rows in groups:
            parts.append(f'<text x="10" y="{y + 18}" font-weight="bold">{escape(name)} (ms, logarithmic)</text>')
            y += head
            for row in rows:
                colour = "#c2410c" if row.is_cordon else "#94a3b8"
                parts.append(f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{escape(row.who)}</text>')
                parts.append(
                    f'<rect x="{left}" y="{y + 2}" width="{length(row.median):.1f}" height="{bar - 5}" fill="{colour}"/>')
                parts.append(f'<text x="{left + length(row.median) + 6:.1f}" y="{y + 14}">{row.median:.2f}</text>')
                y += bar
            y += gap
        return "\n".join(parts + ["</svg>"]) + "\n"
