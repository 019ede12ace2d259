"""Reports as text for a terminal, and rows as Markdown."""

from collections.abc import Iterable, Sequence

KIB = 1024
LARGEST = 3  # operators that are said of each sort


def markdown(header: Sequence[str], rows: Iterable[Sequence[object]], *, align: str = "") -> str:
    """A Markdown table.

    Args:
        header: Titles of the columns.
        rows: Cells; what is no text is written as `str` writes it.
        align: A letter a column, l or r; empty aligns all but the first to the right.
    """
    rules = {"l": "---", "r": "---:"}
    rule = "|".join(rules[letter] for letter in align or "l" + "r" * (len(header) - 1))
    head, *body = (f"| {' | '.join(map(str, cells))} |" for cells in (header, *rows))
    return "\n".join([head, f"|{rule}|", *body])


def check(report: dict) -> str:
    """The report of `kerasseg.jobs.check`."""
    lines = []
    if "keras" in report:
        lines.append(f"mIoU Keras         {100 * report['keras']['miou']:.2f} %  over {report['keras']['miou_over']}")
    for entry in report["files"]:
        lines.append(f"{entry['file']}, {entry['bytes'] / 1024:.0f} KiB")
        lines.append(f"  takes pictures   as {entry['input']['range']}: {entry['input']['why']}")
        lines += [f"  WARNING          {entry['input']['doubt']}"] if entry["input"].get("doubt") else []
        if "tflite" in entry:
            drop = entry["miou_drop_points"]
            plain = 100 * (report["keras"]["miou"] - entry["tflite"]["miou"])
            over = "" if abs(drop - plain) < 0.005 else " over the classes in the labels"
            lines += [
                f"  mIoU .tflite     {100 * entry['tflite']['miou']:.2f} %  ({-drop:+.2f} points{over})",
                f"  pixel agreement  {100 * entry['pixel_agreement']:.2f} %",
            ]
        lines += [
            f"  latency          median {timing['median_ms']:.2f} ms, p90 {timing['p90_ms']:.2f}, p95 {timing['p95_ms']:.2f}  "
            f"({report['kernels']}, {timing['threads']} thread(s), {timing['runs']} runs after {timing['warmup']}, "
            f"{timing['interleaved']} file(s) in turn)"
            for timing in entry["latency"]
        ]
        lines += [f"  lint             {finding['rule']}: {finding['text']}" for finding in entry["lint"]]
    lines.append(f"on {report['cpu']}, LiteRT {report['versions']['ai-edge-litert']}")
    if "sample" in report:
        lines.append(f"engines on {len(report['sample']['pictures'])} pictures: mIoU, agreement with Keras, largest difference")
        lines += [
            f"  {row['file']}  {row['kernels']:<9}  refuses it: {row['refused']}"
            if "refused" in row
            else f"  {row['file']}  {row['kernels']:<9}  {100 * row['miou']:.2f} %  {100 * row['pixel_agreement']:.2f} %  "
            + (f"{row['largest_difference']:g} {row['unit']} from reference" if "unit" in row else "")
            for row in report["sample"]["engines"]
        ]
    if "per_layer" in report:
        lines.append("where int8 hurts: dB lost by the layer, dB left after it")
        for one in sorted(report["per_layer"], key=lambda one: -one["lost_db"])[:12]:
            lines.append(f"  {one['lost_db']:6.1f}  {one['snr_db']:6.1f}  {one['layer']} ({one['operator']})")
    return "\n".join(lines)


def differences(exactness: dict, found: dict) -> str:
    """A sentence on outputs that are not LiteRT's to the bit, of a report of `kerasseg.jobs.export`."""
    said = f"by up to {exactness['largest_difference']} step(s), accepted are {found['tolerance_lsb']}"
    if found["other_classes"] is not None:
        said += f"; {100 * found['other_classes']:.3f} % of the pixels have another class"
    said += f"; first at {exactness['first_operator']}"
    if found["because_of_scales"]:
        said += (
            ": LiteRT forms the scale of a product in float32, TFLite Micro in double, and both are right within half a step"
        )
    return said


def _saved(one: dict) -> list[str]:
    parts = (("", "saved_bytes", 1), ("flash ", "flash_bytes", 0))
    return [f"{where}-{one[name] / KIB:.{digits}f} KiB" for where, name, digits in parts if one[name]]


def _memory_plan(plan: dict) -> list[str]:
    before, after = plan["before"], plan["after"]
    return [
        f"memory plan       arena {before['arena_bytes'] / KIB:.1f} -> {after['arena_bytes'] / KIB:.1f} KiB (activations "
        f"{before['head_bytes'] / KIB:.1f} -> {after['head_bytes'] / KIB:.1f}, that stay "
        f"{before['tail_bytes'] / KIB:.1f} -> {after['tail_bytes'] / KIB:.1f})",
        f"  {before['macs'] / 1e6:.2f} -> {after['macs'] / 1e6:.2f} million multiply-accumulates, {plan['time_ratio']:.2f} "
        "times the time in the reference kernels here",
        f"  the same numbers to the bit, in TFLite Micro and in LiteRT, on {plan['runs']} inputs; {plan['file']}",
        *(f"  {one['parts']} {one['what']} from {one['first']} to {one['last']}" for one in plan["changes"]),
    ]


def micro(report: dict) -> str:
    """The report of `kerasseg.jobs.export`."""
    arena, peak = report["arena"], report["memory"]["peak"]
    lines = [
        f"flash             {report['bytes'] / KIB:.1f} KiB, {report['macs'] / 1e6:.1f} million multiply-accumulates",
        f"arena             {arena['total_bytes'] / KIB:.1f} KiB: {arena['head_bytes'] / KIB:.1f} activations, "
        f"{arena['tail_bytes'] / KIB:.1f} that stay",
        *([f"CMSIS-NN scratch  {arena['scratch_bytes'] / KIB:.1f} KiB more"] if arena["scratch_bytes"] else []),
        f"with margin       {arena['with_margin_bytes'] / KIB:.1f} KiB ({arena['margin_percent']:g} % more)",
        f"smallest that ran {arena['smallest_bytes'] / KIB:.1f} KiB",
        f"peak              {peak['live_bytes'] / KIB:.1f} KiB alive at {peak['layer']} ({peak['operator']})",
    ]
    lines += [f"  {', '.join(_saved(one))} with {one['change']}" for one in report["memory"]["savings"]]
    lines += [f"  {one['bytes'] / KIB:.1f} KiB stay: {one['count']} x {one['what']}" for one in report["tail"]]
    lines += _memory_plan(report["memory_plan"]) if report["memory_plan"] else []
    kinds = ", ".join(f"{one['count']} {kind}" for kind, one in report["operators"].items())
    slower = {kind: one["count"] - one["cmsis_nn"] for kind, one in report["operators"].items()}
    slow = ", ".join(f"{count} {kind}" for kind, count in slower.items() if count)
    lines += [f"operators         {kinds}", f"without CMSIS-NN  {slow or 'none'}", *slow_work(report["work"])]
    found = report["exactness"]
    lines.append(f"bit-exact         {found['equal']} of {found['runs']} ({report['source']})")
    if found["equal"] < found["runs"]:
        lines.append(f"  {differences(found, report['differences'])}")
    for one in report["accelerators"]:
        left = f"{len(one['cpu_operators'])} operator(s) on the CPU" + (", not counted" if one["cpu_operators"] else "")
        lines.append(f"{one['accelerator']:<17} {one['npu_ms']:.2f} ms (Vela's estimate, {one['clock_mhz']:.0f} MHz), {left}")
        lines.append(
            f"  {one['file_bytes'] / KIB:.1f} KiB of flash, {one['head_bytes'] / KIB:.1f} KiB of activations in the arena"
        )
        lines += [f"  CPU: {operator}" for operator in one["cpu_operators"]]
    lines.append("boards            room left beside file, arena and a program's code and stack, KiB: flash, RAM")
    for one in report["boards"]:
        verdict = "fits" if one["fits"] else "NO"
        lines.append(
            f"  {one['board']:<15} {verdict:<5} {one['flash_room_kib']:8.0f} {one['ram_room_kib']:8.0f}  {one['about']}"
        )
    lines += ["speed             by published cycles", *(f"  {line}" for line in report["speed"]["lines"])]
    said = [report["speed"]["caveat"], report["speed"]["left_out"]]
    return "\n".join([*lines, *report["unknown"], *filter(None, said)])


def board_log(report: dict) -> str:
    """The report of `kerasseg.jobs.read_log`."""
    lines = [
        f"pixels   {report['equal']} of {report['pixels']} have LiteRT's class, {report['equal_to_tflite_micro']} that of "
        "TFLite Micro's reference kernels",
        f"IoU      {report['miou']:.6f} in the mean, {report['min_iou']:g} is accepted",
        *(f"  {one:.6f}  {name}" for name, one in report["iou"].items() if one is not None),
    ]
    if not report["is_that_file"]:
        lines.append(f"model    not {report['file']} itself ran, but one made of it, as by Vela ({report['model'][:12]})")
    if report["microseconds"] is not None:
        lines.append(f"time     {report['microseconds'] / 1000:.1f} ms a run")
    if report["arena_bytes"] is not None:
        lines.append(f"arena    {report['arena_bytes'] / KIB:.1f} KiB used")
    return "\n".join([*lines, f"it says  {report['verdict'] or 'neither PASS nor FAIL'}"])


def slow_work(work: list[dict]) -> list[str]:
    """The operators with the largest shares that CMSIS-NN's fast kernels do not compute."""
    slow = sorted((one for one in work if one["why"]), key=lambda one: -one["share"])
    shown = [[one for one in slow if bool(one["macs"]) == having][:LARGEST] for having in (True, False)]
    return [
        f"  {100 * one['share']:4.1f} % of the {'multiply-accumulates' if one['macs'] else 'numbers of operators without'}: "
        f"{one['operator']} {one['number']} at {one['layer']}, {one['kernel']} ({one['why']})"
        for part in shown
        for one in part
    ]
