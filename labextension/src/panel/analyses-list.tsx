/** All analyses: search, resume, rename, delete; which are running stands beside each. */
import * as React from 'react';
import type { AnalysisSummary } from '../client/records';
import { DeleteDialog } from './delete-dialog';
import { RenameField } from './header';
import { Menu } from './menu';
import { usePanel, useServices } from './services';
import { moment, shortModel } from './wording';

/** The list. */
export function AnalysesList(): React.JSX.Element {
  const { trans } = useServices();
  // A new array at each announcement: the list is short and shown alone.
  const version = usePanel(model => model.store.analyses.map(keyOf).join('\n'));
  const { model } = useServices();
  const [search, setSearch] = React.useState('');
  const all = React.useMemo(() => model.store.analyses, [model, version]);
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const found = all.filter(one => {
    const text = `${one.title} ${one.notebook_path}`.toLowerCase();
    return words.every(word => text.includes(word));
  });
  return (
    <div className="ak-Analyses">
      <input
        type="search"
        className="ak-Input"
        aria-label={trans.__('Search analyses')}
        placeholder={trans.__('Search')}
        value={search}
        onChange={event => {
          setSearch(event.target.value);
        }}
      />
      {found.length === 0 && (
        <p className="ak-Quiet">
          {all.length === 0
            ? trans.__('No analysis yet. Ask a question to start one.')
            : trans.__('No analysis has these words.')}
        </p>
      )}
      <ul aria-label={trans.__('Analyses')}>
        {found.map(one => (
          <AnalysisRow key={one.id} summary={one} />
        ))}
      </ul>
    </div>
  );
}

function keyOf(one: AnalysisSummary): string {
  return [one.id, one.title, one.state, one.updated, one.questions, one.model].join('|');
}

function AnalysisRow({ summary }: { readonly summary: AnalysisSummary }): React.JSX.Element {
  const { trans, model, actions } = useServices();
  const current = usePanel(m => m.analysis === summary.id);
  const [renaming, setRenaming] = React.useState(false);
  const [deleting, setDeleting] = React.useState(false);
  const states: Readonly<Record<AnalysisSummary['state'], string>> = {
    idle: '',
    running: trans.__('● running'),
    waiting: trans.__('◆ waits for you'),
    failed: trans.__('✕ failed')
  };
  const title = summary.title || trans.__('Analysis');
  return (
    <li className={current ? 'ak-mod-current' : undefined}>
      {renaming ? (
        <RenameField
          analysis={summary.id}
          title={summary.title}
          onDone={() => {
            setRenaming(false);
          }}
        />
      ) : (
        <button
          type="button"
          className="ak-Analysis"
          aria-current={current ? 'true' : undefined}
          onClick={() => {
            model.show(summary.id);
            model.focusQuestion();
          }}
        >
          <span className="ak-Analysis-title">{title}</span>
          <span className="ak-Quiet">
            {[
              moment(summary.updated),
              trans._n('%1 question', '%1 questions', summary.questions),
              summary.is_ai ? shortModel(summary.model) : trans.__('built-in rules')
            ].join(' · ')}
          </span>
          {summary.state !== 'idle' && (
            <span className={`ak-State ak-mod-${summary.state}`}>{states[summary.state]}</span>
          )}
        </button>
      )}
      <Menu
        label={trans.__('Actions for %1', title)}
        className="ak-IconButton"
        align="end"
        items={[
          {
            label: trans.__('Open beside'),
            disabled: actions.openBeside === null,
            run: () => actions.openBeside?.(summary.id)
          },
          {
            label: trans.__('Open notebook'),
            disabled: actions.openNotebook === null || summary.notebook === null,
            run: () => actions.openNotebook?.(summary.id)
          },
          {
            label: trans.__('Rename'),
            run: () => {
              setRenaming(true);
            }
          },
          {
            label: trans.__('Delete …'),
            run: () => {
              setDeleting(true);
            }
          }
        ]}
      >
        <span aria-hidden="true">⋯</span>
      </Menu>
      {deleting && (
        <DeleteDialog
          analysis={summary.id}
          title={title}
          onClose={() => {
            setDeleting(false);
          }}
        />
      )}
    </li>
  );
}
