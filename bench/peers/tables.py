"""The figures of a comparison (compare.py), as Markdown."""

GOALS = (
    ("at least 3,000,000 events/s", lambda rates: (rates["ledger"], 3_000_000)),
    ("at least 10 times Kafka Streams, at least once", lambda rates: (rates["ledger"], 10 * rates["at least once"])),
    ("at least 20 times Kafka Streams, exactly once", lambda rates: (rates["ledger"], 20 * rates["exactly once"])),
    ("no slower than the bare consumer", lambda rates: (rates["ledger"], rates["bare"])),
    ("all projections: at least 1,000,000 events/s", lambda rates: (rates["all"], 1_000_000)),
)
# Which row stands for which rate.
RATES = {
    "ledger": "ledgerline, Kafka, balances, seats, rankings",
    "all": "ledgerline, Kafka, all",
    "bare": "bare consumer",
    "at least once": "Kafka Streams, at least once",
    "exactly once": "Kafka Streams, exactly once",
}


def order(figures):
    """The programs, as they first appear."""
    return list(dict.fromkeys(figure["who"] for figure in figures))


def by_program(figures):
    return {(figure["who"], figure["shape"]): figure for figure in figures}


def rate(figure):
    if not figure:
        return ""
    if "missing" in figure:
        return f"not measured: {figure['missing']}"
    text = f"{figure['perSecond']:,}"
    if figure["runs"] > 1:
        text += f" ({figure['perSecondMin']:,} to {figure['perSecondMax']:,})"
    return text


def times(figure, ledger):
    """How many times as fast the ledger is."""
    if not figure or not ledger or "missing" in figure or figure is ledger:
        return ""
    return f"{ledger['perSecond'] / figure['perSecond']:.2g}"


def cpu(figure):
    return f"{figure['cpuUsPerEvent']:.2f}" if figure and "missing" not in figure else ""


def memory(figures):
    most = max((figure["residentBytesMax"] for figure in figures if figure and "missing" not in figure), default=0)
    return f"{most / 2**20:,.0f}" if most else ""


def programs(result, shapes):
    found = by_program(result["figures"])
    head = [f"{shape}: events/s | ledgerline is … times as fast | CPU µs an event" for shape in shapes]
    yield f"| program | {' | '.join(head)} | peak MiB |"
    yield "|---" * (3 * len(shapes) + 2) + "|"
    for who in order(result["figures"]):
        cells = []
        for shape in shapes:
            figure = found.get((who, shape))
            cells += [rate(figure), times(figure, found.get((RATES["ledger"], shape))), cpu(figure)]
        yield f"| {' | '.join([who, *cells, memory(found.get((who, shape)) for shape in shapes)])} |"


def goals(result, shapes):
    found = by_program(result["figures"])
    yield f"| goal | {' | '.join(shapes)} |"
    yield "|---" * (len(shapes) + 1) + "|"
    for goal, of in GOALS:
        cells = []
        for shape in shapes:
            figures = {name: found.get((who, shape), {}) for name, who in RATES.items()}
            try:
                is_, should = of({name: figure.get("perSecond") for name, figure in figures.items()})
                cells.append(f"{'reached' if is_ >= should else 'missed'}: {is_:,} against {should:,}")
            except TypeError:
                cells.append("not measured")
        yield f"| {goal} | {' | '.join(cells)} |"


def stages(result):
    sources = list(dict.fromkeys(one["source"] for one in result["stages"]))
    yield f"| stage | {' | '.join(f'{source}: events/s | CPU µs an event' for source in sources)} |"
    yield "|---" * (2 * len(sources) + 1) + "|"
    for stage in dict.fromkeys(one["stage"] for one in result["stages"]):
        cells = [stage]
        for source in sources:
            one = next(one for one in result["stages"] if (one["source"], one["stage"]) == (source, stage))
            cells += [f"{one['perSecond']:,}", f"{one['cpuUsPerEvent']:.2f}"]
        yield f"| {' | '.join(cells)} |"


def page(result):
    shapes = list(dict.fromkeys(figure["shape"] for figure in result["figures"]))
    slow = [figure for figure in result["figures"] if figure.get("events", result["events"]) != result["events"]]
    notes = ["CPU and memory are the program's own: the broker's come on top."]
    if slow:
        notes.append(f"{slow[0]['who'].split(',')[0]} was given {slow[0]['events']:,} events.")
    if result["versions"]:
        notes.append(f"Versions: {', '.join(result['versions'])}.")
    parts = [
        *programs(result, shapes),
        "",
        " ".join(notes),
        "",
        *goals(result, shapes),
        "",
        *stages(result),
    ]
    return "\n".join(parts) + "\n"
