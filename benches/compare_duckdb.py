#!/usr/bin/env python3
"""Folds one export with finis and with DuckDB, in turn, and compares seconds and memory.

    pip install duckdb
    cargo build --release
    cargo run --release -p finis-simulator --example export -- export.jsonl
    python3 benches/compare_duckdb.py --export export.jsonl --finis target/release/finis

Four contestants, each run as a process of its own, one after another (A B C D A B C D ...), so that
a machine that grows warm or busy is so for all of them:

finis   `finis reconcile`: the whole fold, with verdicts, conflicts and rejects.
same    DuckDB giving the same answer: every record with its verdict, what is missing, inferred, broken
        and in conflict, fields and events. `--check` compares all its records with those of finis.
        What it cannot say, the export does not ask: a tie of kind and time, which finis breaks by
        digest; null, which it takes for absent; facts that are numbers and no integers; one value
        written in two ways; times finer than milliseconds; members that the schema below does not
        have, as `reason`, as part of an event's identity or (as the projectId of a session.ended)
        where the kind has no such fact; ids unfit for other reasons than absence; two values with
        one hash of 64 bits. It reads bodies that have a member twice or half of a character, which
        finis refuses, and writes no rejects. The time that deadlines are judged at is given to it
        and to finis alike.
part    DuckDB doing the same grouping: distinct events, each field by authority and then by time,
        times of emission, channel, outcome, missing kinds, the events in order; sorted by session.
        It is spared status, inferred kinds, broken rules, conflicts, deadlines, rejects, and that a
        variable written in another order is the same variable.
lean    DuckDB doing the least that could be called this grouping: any value of each field, the
        greatest time, a count; neither sorted nor distinct. Its answer is wrong, and fast.

DuckDB is told the schema, and its clock starts after Python and the library are loaded; the clock
of finis covers its whole process. Peak memory is that of the process (of a Python that has loaded
DuckDB and does nothing: about 50 MiB). The export must hold bare payloads, not deliveries.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# DuckDB is loaded by the children only: a child's peak begins with what its parent had in memory.

SCHEMA = """{
    event: 'VARCHAR', sessionId: 'VARCHAR', projectId: 'VARCHAR', timestamp: 'TIMESTAMP',
    currentNodeId: 'VARCHAR', messagesCount: 'BIGINT', extractedVariables: 'JSON',
    callStatus: 'VARCHAR', callDuration: 'BIGINT', success: 'BOOLEAN', recordingUrl: 'VARCHAR'
}"""

EVENTS = f"""
    FROM read_json($export, format = 'newline_delimited', columns = {SCHEMA}, ignore_errors = true)
    WHERE sessionId IS NOT NULL AND event IS NOT NULL
"""

OUTCOME = """
    CASE WHEN call_status IS NULL THEN NULL
         WHEN call_status IN ('userHangup', 'agentHangup', 'Ended') THEN 'completed'
         WHEN call_status IN ('transferred', 'voicemail', 'busy') THEN call_status
         WHEN call_status = 'userRejected' THEN 'rejected'
         WHEN call_status IN ('userNoAnswer', 'agentNoAnswer') THEN 'no_answer'
         WHEN call_status IN ('errorTransferred', 'invalidNumber', 'sipTrunkFailure', 'error') THEN 'failed'
         ELSE 'unknown' END
"""


def text_of(at: str) -> str:
    """The words of SQL for a time as records have it."""
    return f"strftime({at}, '%Y-%m-%dT%H:%M:%S.%gZ')"


# Of several forms with the same answer this was the fastest in DuckDB 2.0. In 99 of 100 sessions all
# claims agree: there the greatest value of a field is its only one, and nothing has to be ranked. Hashes,
# least against greatest, find the others; those few are settled with all that it takes. The rows are kept
# for them: reading the export twice takes longer. Hashes are smaller than the texts they stand for; a plain
# list made distinct at the end is faster than `list(DISTINCT)`.
SAME = f"""
CREATE TEMP TABLE rows AS
    SELECT * {EVENTS} AND (timestamp IS NOT NULL OR event NOT IN (
        'session.ended', 'call.ended', 'session.finalized', 'recording.ready'));

CREATE TEMP TABLE folded AS
    WITH facts AS (
        SELECT *,
            CASE event WHEN 'call.ended' THEN 0 WHEN 'recording.ready' THEN 1
                WHEN 'session.ended' THEN 2 WHEN 'session.finalized' THEN 3 END AS kind,
            CASE WHEN kind >= 2 THEN hash(currentNodeId, messagesCount, extractedVariables) END AS talk,
            CASE WHEN callStatus IS NOT NULL OR callDuration IS NOT NULL
                THEN hash(callStatus, callDuration, projectId IS NULL) END AS call,
            CASE WHEN kind = 1 THEN hash(success, recordingUrl, projectId IS NULL) END AS recording,
            CASE WHEN projectId IS NOT NULL THEN hash(projectId) END AS project,
            CASE WHEN kind = 3 THEN (callStatus IS NOT NULL)::UTINYINT * 4 + (callDuration IS NOT NULL)::UTINYINT * 2
                + (projectId IS NOT NULL)::UTINYINT END AS finalized_has
        FROM rows
    )
    SELECT
        sessionId AS session,
        bool_or(kind IS NULL)
            OR coalesce(min(talk) <> max(talk), false) OR coalesce(min(call) <> max(call), false)
            OR coalesce(min(recording) <> max(recording), false) OR coalesce(min(project) <> max(project), false)
            OR coalesce(min(finalized_has) <> max(finalized_has), false) AS doubtful,
        max(finalized_has) >= 4 AS finalized_has_status,
        max(projectId) AS project_id,
        max(currentNodeId) AS current_node_id,
        max(messagesCount) AS messages_count,
        max(extractedVariables) AS variables,
        max(callStatus) AS call_status,
        max(callDuration) AS call_duration_s,
        max(success) AS recording_success,
        max(recordingUrl) AS recording_url,
        max(timestamp) FILTER (kind = 2) AS ended,
        max(timestamp) FILTER (kind = 0) AS call_ended,
        min(timestamp) FILTER (kind = 3) AS closed,
        max(timestamp) FILTER (kind = 3) AS finalized,
        max(timestamp) FILTER (kind = 1) AS recorded,
        -- An event as one number, in the order of time and kind.
        list(epoch_us(timestamp) * 4 + kind) AS events
    FROM facts GROUP BY sessionId;

CREATE TEMP TABLE claims AS
    WITH doubtful AS (
        SELECT *, epoch_us(timestamp) + 1000000000000000000 * CASE event
            WHEN 'session.finalized' THEN 4 WHEN 'call.ended' THEN 3
            WHEN 'session.ended' THEN 2 WHEN 'recording.ready' THEN 1 END AS key
        FROM rows WHERE sessionId IN (SELECT session FROM folded WHERE doubtful)
    ),
    -- Variables are the same when all their leaves are, in whatever order they were written.
    leaves AS (
        SELECT written, list_sort(list([fullkey, type, atom::VARCHAR])) AS leaves
        FROM (SELECT DISTINCT extractedVariables AS written FROM doubtful), json_tree(written)
        GROUP BY written
    ),
    meanings AS (SELECT written, min(written) OVER (PARTITION BY leaves) AS meant FROM leaves)
    SELECT DISTINCT doubtful.* REPLACE (meant AS extractedVariables)
    FROM doubtful LEFT JOIN meanings ON extractedVariables = written;

DROP TABLE rows;

CREATE TEMP TABLE conflicts AS
    WITH facts AS (
        SELECT sessionId, event, timestamp, key, unnest([
            {{'field': 'call_duration_s', 'value': to_json(callDuration)}},
            {{'field': 'call_status', 'value': to_json(callStatus)}},
            {{'field': 'current_node_id', 'value': to_json(currentNodeId)}},
            {{'field': 'messages_count', 'value': to_json(messagesCount)}},
            {{'field': 'project_id', 'value': to_json(projectId)}},
            {{'field': 'recording_success', 'value': to_json(success)}},
            {{'field': 'recording_url', 'value': to_json(recordingUrl)}},
            {{'field': 'variables', 'value': extractedVariables}}
        ], recursive := true)
        FROM claims WHERE key IS NOT NULL
    ),
    ranked AS (
        SELECT sessionId, field, value, max(key) AS key,
            {{'value': value, 'kind': arg_max(event, key), 'at': {text_of("arg_max(timestamp, key)")}}} AS claimed
        FROM facts WHERE value IS NOT NULL GROUP BY sessionId, field, value
    ),
    fields AS (
        SELECT sessionId, field, list(claimed ORDER BY key DESC) AS claimed
        FROM ranked GROUP BY sessionId, field HAVING count(*) > 1
    )
    SELECT sessionId AS session, list({{
        'field': field, 'winner': claimed[1].value, 'values': claimed[:8], 'more': if(len(claimed) > 8, true, NULL)
    }} ORDER BY field) AS conflicts
    FROM fields GROUP BY sessionId;

CREATE TEMP TABLE settled AS
    SELECT
        sessionId AS session,
        -- `arg_max` skips a null, but not a struct that holds one.
        arg_max({{'is': callStatus IS NOT NULL}}, key) FILTER (event = 'session.finalized').is AS finalized_has_status,
        arg_max(projectId, key) AS project_id,
        arg_max(currentNodeId, key) AS current_node_id,
        arg_max(messagesCount, key) AS messages_count,
        arg_max(extractedVariables, key) AS variables,
        arg_max(callStatus, key) AS call_status,
        arg_max(callDuration, key) AS call_duration_s,
        arg_max(success, key) AS recording_success,
        arg_max(recordingUrl, key) AS recording_url,
        max(timestamp) FILTER (event = 'session.ended') AS ended,
        max(timestamp) FILTER (event = 'call.ended') AS call_ended,
        min(timestamp) FILTER (event = 'session.finalized') AS closed,
        max(timestamp) FILTER (event = 'session.finalized') AS finalized,
        max(timestamp) FILTER (event = 'recording.ready') AS recorded,
        max(timestamp) AS latest,
        list({{'kind': event, 'at': {text_of("timestamp")}}} ORDER BY timestamp NULLS FIRST, event) AS events,
        any_value(conflicts) AS conflicts
    FROM claims LEFT JOIN conflicts ON sessionId = conflicts.session GROUP BY sessionId;

COPY (
    WITH sessions AS (
        SELECT * REPLACE (list_transform(list_sort(list_distinct(events)), lambda e: {{
                'kind': ['call.ended', 'recording.ready', 'session.ended', 'session.finalized'][e % 4 + 1],
                'at': {text_of("make_timestamp(e // 4)")}
            }}) AS events),
            greatest(ended, call_ended, finalized, recorded) AS latest,
            NULL AS conflicts
        FROM folded WHERE NOT doubtful
        UNION ALL BY NAME SELECT *, true AS doubtful FROM settled
    ),
    judged AS (
        SELECT *,
            CASE WHEN finalized_has_status THEN 'call' WHEN finalized IS NOT NULL THEN 'text'
                 WHEN call_ended IS NOT NULL OR recorded IS NOT NULL THEN 'call' ELSE 'unknown' END AS channel,
            coalesce(greatest(ended, call_ended) > finalized, false) AS finalized_not_last,
            channel = 'text' AND (call_ended IS NOT NULL OR recorded IS NOT NULL) AS call_in_text,
            closed IS NOT NULL AND ended IS NOT NULL AND (call_ended IS NOT NULL OR channel <> 'call')
                AND NOT finalized_not_last AND NOT call_in_text AS clean,
            [if(ended IS NULL, 'session.ended', NULL),
             if(call_ended IS NULL AND channel = 'call', 'call.ended', NULL)] AS absent
        FROM sessions
    )
    SELECT
        'pathors' AS source, session, channel,
        CASE WHEN clean THEN 'complete'
             WHEN closed IS NOT NULL THEN if(closed + INTERVAL 2 MINUTE <= $as_of, 'complete', 'settling')
             WHEN latest + INTERVAL 1 HOUR > $as_of THEN 'open' ELSE 'stalled' END AS status,
        CASE WHEN clean THEN 'evidence' WHEN status IN ('complete', 'stalled') THEN 'deadline' END AS by,
        CASE WHEN closed IS NOT NULL THEN []
             ELSE list_filter(absent || ['session.finalized'], lambda kind: kind IS NOT NULL) END AS missing,
        CASE WHEN clean OR closed IS NULL THEN []
             ELSE list_filter(absent, lambda kind: kind IS NOT NULL) END AS inferred,
        CASE WHEN clean THEN []
             ELSE list_filter([
                if(call_in_text, 'call_event_in_text_session', NULL), if(finalized_not_last, 'finalized_last', NULL)
             ], lambda rule: rule IS NOT NULL) END AS violations,
        coalesce(conflicts, []) AS conflicts,
        {{
            'project_id': project_id, 'current_node_id': current_node_id, 'messages_count': messages_count,
            'variables': variables, 'call_status': call_status, 'call_duration_s': call_duration_s,
            'ended_at': {text_of("ended")}, 'call_ended_at': {text_of("call_ended")},
            'finalized_at': {text_of("finalized")}, 'outcome': {OUTCOME},
            'recording_at': {text_of("recorded")}, 'recording_success': recording_success,
            'recording_url': recording_url
        }} AS fields,
        events
    FROM judged ORDER BY session
) TO $records (FORMAT JSON)
"""

# Of several forms with one answer this was the fastest in DuckDB 2.0: keys as integers, not as
# structs or text; `list(DISTINCT)`, not `list_distinct` or `SELECT DISTINCT`. No winner depends on
# how often an event comes, so only the list of events has to be distinct.
PART = f"""
COPY (
    WITH ranked AS (
        -- The winner has the greatest key: first by authority, then by time. Without a key, as
        -- events of an unknown kind are, a row has no say.
        SELECT *, epoch_us(timestamp) + 1000000000000000000 * CASE event
            WHEN 'session.finalized' THEN 4 WHEN 'call.ended' THEN 3
            WHEN 'session.ended' THEN 2 WHEN 'recording.ready' THEN 1 END AS key
        {EVENTS}
    ),
    sessions AS (
        SELECT
            sessionId AS session,
            arg_max(projectId, key) AS project_id,
            arg_max(currentNodeId, key) AS current_node_id,
            arg_max(messagesCount, key) AS messages_count,
            arg_max(extractedVariables, key) AS variables,
            arg_max(callStatus, key) AS call_status,
            arg_max(callDuration, key) AS call_duration_s,
            arg_max(success, key) AS recording_success,
            arg_max(recordingUrl, key) AS recording_url,
            max(timestamp) FILTER (event = 'session.ended') AS ended,
            max(timestamp) FILTER (event = 'call.ended') AS call_ended,
            max(timestamp) FILTER (event = 'session.finalized') AS finalized,
            max(timestamp) FILTER (event = 'recording.ready') AS recorded,
            -- `arg_max` skips a null, but not a struct that holds one: a finalized without a status
            -- makes the session one in text.
            arg_max({{'status': callStatus}}, key) FILTER (event = 'session.finalized') AS last_word,
            list_sort(list(DISTINCT {{'at': timestamp, 'kind': event}})) AS events
        FROM ranked GROUP BY sessionId
    )
    SELECT
        session,
        CASE WHEN finalized IS NOT NULL THEN if(last_word.status IS NULL, 'text', 'call')
             WHEN call_ended IS NOT NULL OR recorded IS NOT NULL THEN 'call'
             ELSE 'unknown' END AS channel,
        list_filter([
            if(ended IS NULL AND finalized IS NULL, 'session.ended', NULL),
            if(call_ended IS NULL AND finalized IS NULL AND channel = 'call', 'call.ended', NULL),
            if(finalized IS NULL, 'session.finalized', NULL)
        ], lambda kind: kind IS NOT NULL) AS missing,
        project_id, current_node_id, messages_count, variables, call_status, call_duration_s,
        strftime(ended, '%Y-%m-%dT%H:%M:%S.%gZ') AS ended_at,
        strftime(call_ended, '%Y-%m-%dT%H:%M:%S.%gZ') AS call_ended_at,
        strftime(finalized, '%Y-%m-%dT%H:%M:%S.%gZ') AS finalized_at,
        {OUTCOME} AS outcome,
        strftime(recorded, '%Y-%m-%dT%H:%M:%S.%gZ') AS recording_at,
        recording_success, recording_url,
        list_transform(events, lambda e:
            {{'kind': e.kind, 'at': strftime(e.at, '%Y-%m-%dT%H:%M:%S.%gZ')}}) AS events
    FROM sessions ORDER BY session
) TO $records (FORMAT JSON)
"""

LEAN = f"""
COPY (
    SELECT
        sessionId AS session, count(*) AS events, max(timestamp) AS at,
        any_value(projectId) AS project_id, any_value(currentNodeId) AS current_node_id,
        any_value(messagesCount) AS messages_count, any_value(extractedVariables) AS variables,
        any_value(callStatus) AS call_status, any_value(callDuration) AS call_duration_s,
        any_value(success) AS recording_success, any_value(recordingUrl) AS recording_url
    {EVENTS}
    GROUP BY sessionId
) TO $records (FORMAT JSON)
"""

QUERIES = {"same": SAME, "part": PART, "lean": LEAN}


class Run(NamedTuple):
    """What one run took. More than one: the median of each."""

    seconds: float
    peak_mib: float
    records: int


def main() -> None:
    options = read_options()
    if options.query:
        run_query(options)
        return
    size = options.export.stat().st_size
    warm(options.export)
    if options.as_of is None:
        options.as_of = ask_as_of(options)
    if options.check:
        check(options)
    contestants = ["finis", *QUERIES] if options.finis else list(QUERIES)
    runs = {name: [] for name in contestants}
    with tempfile.TemporaryDirectory(prefix="compare-") as folder:
        records = Path(folder, "records.ndjson")
        for number in range(options.runs):
            for name in contestants:
                run = measure(name, options, records)
                runs[name].append(run)
                note(f"run {number + 1} of {name}: {run.seconds:.2f} s, {run.peak_mib:.0f} MiB")
    print_table({name: median(of_one) for name, of_one in runs.items()}, size, options)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--export", type=Path, required=True, help="payloads of Pathors, a line each")
    parser.add_argument("--finis", type=Path, help="the binary; without it only DuckDB is run")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="for each contestant (default: all)")
    parser.add_argument("--runs", type=int, default=3, help="of each contestant (default: 3)")
    parser.add_argument("--as-of", help="the time deadlines are judged at (default: what finis takes)")
    parser.add_argument("--check", action="store_true", help="first compare the records of `same` with those of finis")
    # How this script calls itself: one query, in a process of its own.
    parser.add_argument("--query", choices=QUERIES, help=argparse.SUPPRESS)
    parser.add_argument("--records", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.query is None and options.finis is None and (options.check or options.as_of is None):
        parser.error("without --finis, there has to be --as-of and no --check")
    return options


def warm(export: Path) -> None:
    """Reads the export once, so that nobody has to be the first to fetch it from the disk."""
    with export.open("rb") as file:
        while file.read(1 << 20):
            pass


def ask_as_of(options: argparse.Namespace) -> str:
    """The time that finis judges this export at."""
    line = [str(options.finis.absolute()), "reconcile", str(options.export), "--provider", "pathors", "--json"]
    return json.loads(subprocess.run(line, stdout=subprocess.PIPE, check=True).stdout)["as_of"]


def check(options: argparse.Namespace) -> None:
    """Compares every record of `same` with the one of finis, and says how many are equal."""
    with tempfile.TemporaryDirectory(prefix="compare-") as folder:
        paths = {name: Path(folder, name) for name in ("finis", "same")}
        rejects = Path(folder, "rejects")
        for name, path in paths.items():
            line = command(name, options, path) + (["--rejects", str(rejects)] if name == "finis" else [])
            subprocess.run(line, stdout=subprocess.DEVNULL, check=True)
        refused = sessions_of(rejects)
        with paths["finis"].open("rb") as wanted, paths["same"].open("rb") as given:
            equal, different = compare(map(read, wanted), map(without_nulls, map(read, given)))
    # Of these DuckDB may have read a line that finis refuses.
    excused = [session for session in different if session in refused]
    different = [session for session in different if session not in refused]
    print(f"compared {equal + len(different)} records: {equal} equal, {len(different)} different")
    print(f"{len(excused)} more are different, and finis has refused a line of each")
    for session in different[:20]:
        print(f"different: {session}")
    print()


def compare(wanted: Iterator[dict], given: Iterator[dict]) -> tuple[int, list[str]]:
    """How many records are equal, and the sessions whose are not. Both sides are sorted by session."""
    equal, different = 0, []
    left, right = next(wanted, None), next(given, None)
    while left is not None or right is not None:
        sessions = [record["session"] for record in (left, right) if record is not None]
        first = min(sessions, key=str.encode)
        in_left = left is not None and left["session"] == first
        in_right = right is not None and right["session"] == first
        if in_left and in_right and meaning(left) == meaning(right):
            equal += 1
        else:
            different.append(first)
        left = next(wanted, None) if in_left else left
        right = next(given, None) if in_right else right
    return equal, different


def sessions_of(rejects: Path) -> set[str]:
    """The sessions that are named in lines that finis has refused."""
    if not rejects.exists():
        return set()
    named = re.findall(r'sessionId\W{1,8}([0-9a-f-]{36})', rejects.read_text())
    return set(named)


def meaning(record: dict) -> str:
    """The record as text, whatever the order of its members. Unlike in Python, 1 and true are two."""
    return json.dumps(record, sort_keys=True)


def number(text: str) -> int | float:
    """A number with a fraction or an exponent: an integer if it is one, as 7.0 and 1e2 are."""
    value = float(text)
    return int(value) if value.is_integer() else value


def read(line: bytes) -> dict:
    return json.loads(line, parse_float=number)


def without_nulls(record: dict) -> dict:
    """A record of DuckDB, which writes what is absent as null: `by`, fields, and `more` of a conflict."""
    if record["by"] is None:
        del record["by"]
    record["fields"] = {name: value for name, value in record["fields"].items() if value is not None}
    for conflict in record["conflicts"]:
        if conflict["more"] is None:
            del conflict["more"]
    return record


def measure(name: str, options: argparse.Namespace, records: Path) -> Run:
    """Runs one contestant once, and removes what it wrote."""
    started = time.perf_counter()
    process = subprocess.Popen(command(name, options, records), stdout=subprocess.PIPE)
    said = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"`{name}` failed with status {process.returncode}")
    if name in QUERIES:
        seconds = float(said)
    peak_kib = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    run = Run(seconds, peak_kib / 1024, count_lines(records))
    records.unlink()
    return run


def command(name: str, options: argparse.Namespace, records: Path) -> list[str]:
    if name == "finis":
        return [
            str(options.finis.absolute()), "reconcile", str(options.export), "--provider", "pathors",
            "--out", str(records), "--threads", str(options.threads), "--as-of", options.as_of,
        ]  # fmt: skip
    return [
        sys.executable, __file__, "--query", name, "--export", str(options.export),
        "--records", str(records), "--threads", str(options.threads), "--as-of", options.as_of,
    ]  # fmt: skip


def run_query(options: argparse.Namespace) -> None:
    """The child of DuckDB: runs one query and prints the seconds it took."""
    import duckdb

    started = time.perf_counter()
    # Order of insertion is no part of the job, and keeping it takes memory.
    settings = {"threads": options.threads, "preserve_insertion_order": False}
    with duckdb.connect(config=settings) as database:
        query = QUERIES[options.query]
        # COPY takes no parameters.
        for name, path in (("$export", options.export), ("$records", options.records)):
            query = query.replace(name, "'" + str(path).replace("'", "''") + "'")
        query = query.replace("$as_of", f"TIMESTAMP '{options.as_of}'")
        database.execute(query)
    print(time.perf_counter() - started)


def count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))


def median(runs: list[Run]) -> Run:
    return Run(*(statistics.median(column) for column in zip(*runs)))


def print_table(medians: dict[str, Run], size: int, options: argparse.Namespace) -> None:
    print(f"{size / 1e6:.0f} MB, {options.threads} threads, medians of {options.runs} runs")
    print()
    print(f"{'':8}{'seconds':>10}{'MB/s':>10}{'peak MiB':>10}{'records':>12}")
    for name, run in medians.items():
        speed = size / 1e6 / run.seconds
        print(f"{name:8}{run.seconds:10.2f}{speed:10.0f}{run.peak_mib:10.0f}{run.records:12.0f}")
    if "finis" not in medians:
        return
    print()
    finis = medians["finis"]
    for name in QUERIES:
        seconds = finis.seconds / medians[name].seconds
        peak = finis.peak_mib / medians[name].peak_mib
        print(f"finis / DuckDB ({name}): {seconds:.2f} of the seconds, {peak:.2f} of the memory")


def note(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    main()
