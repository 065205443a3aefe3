/** All analyses as a tree, each with its state: search, resume, compare, rename, delete. */
import { caretDownIcon, caretRightIcon, ellipsesIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import type { AnalysisSummary } from '../../client/records';
import { countBelow, holds, treeOf, type TreeNode } from '../../session/tree';
import { CompareDialog } from './compare-dialog';
import { DeleteDialog } from './delete-dialog';
import { Menu } from '../controls/menu';
import { usePanel, useServices } from '../services';
import { moment, shortModel } from '../controls/format';

export function AnalysesList(): React.JSX.Element {
  const { trans } = useServices();
  // The array is new after each change, so a key of its contents is compared instead.
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
        {treeOf(found).map(one => (
          <AnalysisRow key={one.summary.id} node={one} searching={words.length > 0} />
        ))}
      </ul>
    </div>
  );
}

function keyOf(one: AnalysisSummary): string {
  return [one.id, one.title, one.state, one.updated, one.questions, one.model, one.parent].join(
    '|'
  );
}

/** With more branches than this, they start folded. */
const MANY = 6;

/** An analysis with its branches below it. */
function AnalysisRow(props: {
  readonly node: TreeNode;
  readonly searching: boolean;
}): React.JSX.Element {
  const { node, searching } = props;
  const { trans } = useServices();
  const current = usePanel(m => m.analysis);
  const [chosen, setChosen] = React.useState<boolean | null>(null);
  const id = React.useId();
  const below = countBelow(node);
  const open = searching || (chosen ?? (below <= MANY || holds(node, current)));
  const title = node.summary.title || trans.__('Analysis');
  return (
    <li>
      <div className={`ak-Analysis-row${current === node.summary.id ? ' ak-mod-current' : ''}`}>
        {below > 0 && (
          <button
            type="button"
            className="ak-IconButton ak-Analysis-fold"
            aria-expanded={open}
            aria-controls={open ? id : undefined}
            aria-label={trans._n('%1 branch of %2', '%1 branches of %2', below, title)}
            title={trans._n('%1 branch', '%1 branches', below)}
            onClick={() => {
              setChosen(!open);
            }}
          >
            {open ? (
              <caretDownIcon.react tag="span" className="ak-Icon" />
            ) : (
              <caretRightIcon.react tag="span" className="ak-Icon" />
            )}
          </button>
        )}
        <AnalysisLine summary={node.summary} />
      </div>
      {below > 0 && open && (
        <ul id={id} className="ak-Analysis-branches" aria-label={trans.__('Branches of %1', title)}>
          {node.branches.map(one => (
            <AnalysisRow key={one.summary.id} node={one} searching={searching} />
          ))}
        </ul>
      )}
    </li>
  );
}

function AnalysisLine({ summary }: { readonly summary: AnalysisSummary }): React.JSX.Element {
  const { trans, model, actions } = useServices();
  const current = usePanel(m => m.analysis === summary.id);
  const [renaming, setRenaming] = React.useState(false);
  const [deleting, setDeleting] = React.useState(false);
  const [comparing, setComparing] = React.useState(false);
  const others = usePanel(m => m.store.analyses.length);
  const states: Readonly<Record<AnalysisSummary['state'], string>> = {
    idle: '',
    running: trans.__('● running'),
    waiting: trans.__('◆ waits for you'),
    failed: trans.__('✕ failed')
  };
  const title = summary.title || trans.__('Analysis');
  return (
    <>
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
            label: trans.__('Branch from here'),
            disabled: summary.questions === 0,
            run: () => {
              actions.branch(summary.id);
            }
          },
          {
            label: trans.__('Compare with …'),
            disabled: others < 2,
            run: () => {
              setComparing(true);
            }
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
        <ellipsesIcon.react tag="span" className="ak-Icon" />
      </Menu>
      {comparing && (
        <CompareDialog
          analysis={summary.id}
          onClose={() => {
            setComparing(false);
          }}
        />
      )}
      {deleting && (
        <DeleteDialog
          analysis={summary.id}
          title={title}
          onClose={() => {
            setDeleting(false);
          }}
        />
      )}
    </>
  );
}

/** A field in place of the title; Enter keeps the text, Escape drops it. */
export function RenameField(props: {
  readonly analysis: string;
  readonly title: string;
  readonly onDone: () => void;
}): React.JSX.Element {
  const { analysis, title, onDone } = props;
  const { trans, model } = useServices();
  const [text, setText] = React.useState(title);
  const finished = React.useRef(false);
  const finish = (keep: boolean): void => {
    if (finished.current) {
      return;
    }
    finished.current = true;
    const wanted = text.trim();
    if (keep && wanted !== '' && wanted !== title) {
      void model.attempt(() => model.store.rest.rename(analysis, wanted));
    }
    onDone();
  };
  return (
    <input
      className="ak-Input"
      aria-label={trans.__('Title')}
      value={text}
      autoFocus
      onChange={event => {
        setText(event.target.value);
      }}
      onBlur={() => {
        finish(true);
      }}
      onKeyDown={event => {
        if (event.key === 'Enter') {
          finish(true);
        } else if (event.key === 'Escape') {
          finish(false);
        }
      }}
    />
  );
}
