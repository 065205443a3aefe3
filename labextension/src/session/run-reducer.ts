/** Folds the events of a run: plan, model calls, asks, findings, answer. Pure. */
import type {
  Event,
  IterationRecord,
  RunFinished,
  RunStarted,
  ToolInputStreamed,
  Usage
} from '../protocol/generated';
import { reduceCells, type CellEvent } from './cell-reducer';
import { codeOf } from './streamed-code';
import {
  NO_USAGE,
  offerOf,
  privacyOf,
  type AnalysisState,
  type CallState,
  type Entry,
  type IterationState,
  type RunState,
  type StreamedTool
} from './state';

/** The events that change a started run. */
export type RunEvent =
  | CellEvent
  | Extract<
      Event,
      {
        type:
          | 'plan_updated'
          | 'model_called'
          | 'text_streamed'
          | 'thinking_streamed'
          | 'tool_input_streamed'
          | 'model_retried'
          | 'model_replied'
          | 'usage_counted'
          | 'finding_recorded'
          | 'definition_recorded'
          | 'state_named'
          | 'notice_raised'
          | 'user_asked'
          | 'user_answered'
          | 'approval_requested'
          | 'approval_decided'
          | 'plan_approval_requested'
          | 'plan_approved'
          | 'numbers_checked'
          | 'run_finished';
      }
    >;

/** Return a usage of an earlier version's journal with what is counted today. */
function complete(usage: Usage): Usage {
  return { ...NO_USAGE, ...usage };
}

/** Add a run. A run with the same id is replaced. */
export function startRun(state: AnalysisState, event: RunStarted): AnalysisState {
  const run: RunState = {
    id: event.run ?? '',
    question: event.question,
    model: event.model,
    isAi: event.is_ai,
    limits: event.limits,
    privacy: privacyOf(event),
    startedAt: event.at,
    status: 'running',
    reason: '',
    plan: [],
    planReason: '',
    entries: [],
    findings: [],
    retry: null,
    usage: NO_USAGE,
    answer: '',
    details: null,
    numbers: [],
    seconds: 0,
    undone: null,
    readSince: '',
    changedSince: '',
    outcome: null
  };
  return {
    ...state,
    // Until the analysis is configured, it has the model of its run.
    model: state.model === '' ? event.model : state.model,
    isAi: state.isAi ?? event.is_ai,
    runs: [...state.runs.filter(other => other.id !== run.id), run]
  };
}

/** Return the run after `event`. */
export function reduceRun(run: RunState, event: RunEvent): RunState {
  switch (event.type) {
    case 'plan_updated':
      return { ...run, plan: event.steps, planReason: event.reason || run.planReason };
    case 'model_called':
      return changeCall({ ...run, retry: null, entries: settled(run.entries) }, event.call, c => c);
    case 'text_streamed':
      return changeCall(run, event.call, c => ({ ...c, text: c.text + event.text }));
    case 'thinking_streamed':
      return changeCall(run, event.call, c => ({ ...c, thinking: c.thinking + event.text }));
    case 'tool_input_streamed':
      return changeCall(run, event.call, c => ({ ...c, tools: withInput(c.tools, event) }));
    case 'model_retried': {
      const { attempt, of, wait, at, reason } = event;
      const voided = changeCall(run, event.call, c => ({
        ...c,
        text: '',
        thinking: '',
        tools: []
      }));
      return { ...voided, retry: { attempt, of, wait, at, reason } };
    }
    case 'model_replied':
      return changeCall({ ...run, usage: complete(event.usage), retry: null }, event.call, c => ({
        ...c,
        replied: true,
        // Only these become cells or the answer; the others have events of their own.
        tools: c.tools.filter(tool => SHOWN_TOOLS.has(tool.name))
      }));
    case 'usage_counted':
      return { ...run, usage: complete(event.usage) };
    case 'iteration_started':
      return {
        ...run,
        entries: reduceCells(withoutStreamed(run.entries, event.code), event)
      };
    case 'output_produced':
    case 'outputs_cleared':
    case 'iteration_finished':
      return { ...run, entries: reduceCells(run.entries, event) };
    case 'finding_recorded': {
      const others = run.findings.filter(finding => finding.id !== event.finding.id);
      return { ...run, findings: [...others, event.finding] };
    }
    case 'definition_recorded': {
      const { number, definition } = event;
      return added(run, { kind: 'kept', number, definition, state: null });
    }
    case 'state_named': {
      const { number, state } = event;
      return added(run, { kind: 'kept', number, definition: null, state });
    }
    case 'notice_raised': {
      const { number, level, code, message } = event;
      return added(run, { kind: 'notice', number, level, code, message });
    }
    case 'user_asked': {
      const { ask, question, options } = event;
      return added(run, {
        kind: 'ask',
        ask,
        question,
        options,
        default: event.default,
        answer: null,
        by: null
      });
    }
    case 'user_answered':
      return changeEntry(run, e =>
        e.kind === 'ask' && e.ask === event.ask ? { ...e, answer: event.answer, by: event.by } : e
      );
    case 'approval_requested': {
      const { ask, cell, code, purpose } = event;
      const entries = withoutStreamed(run.entries, code);
      return added(
        { ...run, entries },
        { kind: 'approval', ask, cell, code, purpose, offer: offerOf(event), decision: null }
      );
    }
    case 'approval_decided':
      return changeEntry(run, e =>
        e.kind === 'approval' && e.ask === event.ask ? { ...e, decision: event.decision } : e
      );
    case 'plan_approval_requested': {
      const { ask, steps } = event;
      return added(run, { kind: 'plan', ask, steps, approved: false, edited: false });
    }
    case 'plan_approved':
      return changeEntry(run, e =>
        e.kind === 'plan' && e.ask === event.ask
          ? { ...e, approved: true, edited: event.edited }
          : e
      );
    case 'numbers_checked':
      return { ...run, numbers: event.numbers };
    case 'run_finished':
      return finishRun(run, event);
    default: {
      const rest: never = event;
      throw new Error(`Unknown event ${JSON.stringify(rest)}`);
    }
  }
}

const SHOWN_TOOLS: ReadonlySet<string> = new Set(['run_python', 'run_sql', 'finish']);

function added(run: RunState, entry: Entry): RunState {
  return { ...run, entries: [...run.entries, entry] };
}

function changeEntry(run: RunState, change: (entry: Entry) => Entry): RunState {
  return { ...run, entries: run.entries.map(change) };
}

/** Change a call of the model; its first event adds it. */
function changeCall(run: RunState, call: number, change: (call: CallState) => CallState): RunState {
  if (run.entries.some(entry => entry.kind === 'call' && entry.call === call)) {
    return changeEntry(run, e => (e.kind === 'call' && e.call === call ? change(e) : e));
  }
  const begun: CallState = {
    kind: 'call',
    call,
    text: '',
    thinking: '',
    tools: [],
    replied: false
  };
  return added(run, change(begun));
}

function withInput(
  tools: readonly StreamedTool[],
  event: ToolInputStreamed
): readonly StreamedTool[] {
  if (tools.some(tool => tool.id === event.tool_call)) {
    return tools.map(tool =>
      tool.id === event.tool_call ? { ...tool, input: tool.input + event.text } : tool
    );
  }
  return [...tools, { id: event.tool_call, name: event.tool, input: event.text }];
}

/** Return the entries without the streamed tool call that became the cell with `code`. */
function withoutStreamed(entries: readonly Entry[], code: string): readonly Entry[] {
  let found = false;
  return entries.map(entry => {
    if (found || entry.kind !== 'call' || entry.tools.length === 0) {
      return entry;
    }
    const wanted = entry.tools.find(tool => isSource(tool, code));
    if (wanted === undefined) {
      return entry;
    }
    found = true;
    return { ...entry, tools: entry.tools.filter(tool => tool !== wanted) };
  });
}

/** Return whether a cell's code came from this tool call. SQL is wrapped in a line of Python. */
function isSource(tool: StreamedTool, code: string): boolean {
  const streamed = codeOf(tool)?.text.trim() ?? '';
  return streamed !== '' && code.includes(streamed);
}

/** Return the entries without streamed code: refused and skipped calls have events of their own. */
function settled(entries: readonly Entry[]): readonly Entry[] {
  return entries.map(entry =>
    entry.kind === 'call' && entry.tools.length > 0 ? { ...entry, tools: [], replied: true } : entry
  );
}

function finishRun(run: RunState, event: RunFinished): RunState {
  const known = new Set(run.entries.map(entry => (entry.kind === 'iteration' ? entry.cell : '')));
  const missing = event.iterations.filter(record => !known.has(record.cell)).map(fromRecord);
  const entries = settled(run.entries).map(entry => {
    if (entry.kind === 'iteration' && entry.outcome === 'running') {
      return { ...entry, outcome: 'cancelled' as const };
    }
    return entry.kind === 'call' ? { ...entry, replied: true } : entry;
  });
  return {
    ...run,
    status: event.status,
    reason: event.reason,
    answer: event.answer,
    details: event.details,
    numbers: event.details?.numbers ?? run.numbers,
    findings: event.findings.length > 0 ? event.findings : run.findings,
    usage: complete(event.usage),
    seconds: event.seconds,
    retry: null,
    entries: [...entries, ...missing]
  };
}

/** Return a cell of which only the record is known; its outputs are in the notebook. */
function fromRecord(record: IterationRecord): IterationState {
  return {
    kind: 'iteration',
    cell: record.cell,
    iteration: record.iteration,
    step: record.step,
    attempt: record.attempt,
    language: record.language,
    purpose: record.purpose,
    code: record.code,
    startedAt: 0,
    outcome: record.outcome,
    seconds: record.seconds,
    executionCount: null,
    outputs: [],
    error: record.error,
    frames: [],
    lineage: '',
    hints: [],
    userChange: null
  };
}
