/** The states of the panel that the stories show, each as a list of events. */
import type { Event } from '../../src/protocol/generated';

/** One scene: an analysis with its events. */
export interface Scene {
  readonly events: readonly Event[];
  readonly title: string;
  readonly draft?: string;
}

type Body<T extends Event['type']> = Omit<
  Extract<Event, { type: T }>,
  'analysis' | 'run' | 'number' | 'at' | 'type'
>;

/** Adds events to a log, numbered. */
export class Log {
  readonly events: Event[];

  constructor(
    events: readonly Event[],
    private readonly run: string | null = 'r1',
    private readonly at = Date.now() / 1000 - 14
  ) {
    this.events = events.map(event => ({ ...event, at: this.at }));
  }

  add<T extends Event['type']>(type: T, body: Body<T>): this {
    const { events, run, at } = this;
    const analysis = events[0]?.analysis ?? 'a1';
    const number = (events.at(-1)?.number ?? 0) + 1;
    events.push({ ...body, type, analysis, run, number, at } as unknown as Event);
    return this;
  }
}

/** Return the events before the first that `stops`. */
export function until(
  events: readonly Event[],
  stops: (event: Event) => boolean
): readonly Event[] {
  const end = events.findIndex(stops);
  return end < 0 ? events : events.slice(0, end);
}

/** All scenes, made from two recorded runs. */
export function scenes(
  mileage: readonly Event[],
  repair: readonly Event[]
): Readonly<Record<string, Scene>> {
  const title = 'Mileage by model year';
  const repairing = until(
    repair,
    event => event.type === 'iteration_started' && event.attempt === 2
  );
  const cutCode = repairing.slice(0, -5);
  const finished = repair.at(-1);
  const working = until(repair, event => event.type === 'model_called' && event.call === 5);
  return {
    first: { events: [], title: '' },
    atwork: { events: new Log(cutCode).events, title },
    drawing: {
      events: new Log(until(repair, event => event.type === 'model_replied' && event.call === 7))
        .events,
      title
    },
    answered: {
      events: new Log(repair)
        .add('verification_started', { cells: 7 })
        .add('verification_finished', { reproduced: 7, total: 7, reason: '', stale: false }).events,
      title
    },
    rules: { events: new Log(mileage).events, title: 'City mileage by year' },
    needs: {
      title: 'Revenue by region',
      draft: '',
      events: new Log(until(repair, event => event.type === 'iteration_started'))
        .add('user_asked', {
          ask: 'q1',
          question: 'Which date counts? Both exist, and they differ for 1,187 orders.',
          options: ['Order date', 'Shipping date'],
          default: 'Order date'
        })
        .add('approval_requested', {
          ask: 'q2',
          cell: 'x',
          purpose: 'Revenue by region',
          package: null,
          code: 'rev = duckdb.sql("""\nSELECT region, sum(net) AS revenue\nFROM orders JOIN regions USING (region_id)\nWHERE order_date >= \'2026-07-01\'\nGROUP BY region""").df()'
        })
        .add('plan_approval_requested', {
          ask: 'q3',
          steps: [
            { number: 1, goal: 'Check the dates', status: 'todo', cells: [] },
            { number: 2, goal: 'Sum revenue by region', status: 'todo', cells: [] }
          ]
        })
        .add('model_retried', {
          call: 2,
          attempt: 2,
          of: 5,
          wait: 26,
          reason: 'Anthropic is overloaded (529).'
        })
        .add('queue_changed', { questions: ['Then only for Toyota', 'And as a bar chart'] }).events
    },
    failed: {
      title,
      events: new Log(working).add('run_finished', {
        ...(finished?.type === 'run_finished' ? finished : ({} as Body<'run_finished'>)),
        status: 'failed',
        answer: '',
        details: null,
        reason:
          'The provider refused the key. Nothing was lost: the cells so far are in the notebook.'
      }).events
    }
  };
}
