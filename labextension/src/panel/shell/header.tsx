/** The header of the panel: the title, the list of analyses, a new analysis, and more actions. */
import { addIcon, ellipsesIcon, listIcon } from '@jupyterlab/ui-components';
import * as React from 'react';
import { RenameField } from '../analyses/analyses-list';
import { DeleteDialog } from '../analyses/delete-dialog';
import { Menu, type MenuItem } from '../controls/menu';
import { Gallery, useChartCount } from '../charts/run-charts';
import { SentDialog } from '../privacy/sent-dialog';
import { usePanel, useServices } from '../services';
import { VerificationBadge } from '../controls/verification-badge';

export function Header(): React.JSX.Element {
  const { trans, model } = useServices();
  const view = usePanel(m => m.view);
  const title = usePanel(m => m.summary?.title ?? m.state?.title ?? '');
  const analysis = usePanel(m => m.analysis);
  const verification = usePanel(m =>
    m.analysis === null ? null : (m.state?.verification ?? null)
  );
  const others = usePanel(
    m => m.store.analyses.filter(a => a.state === 'running' && a.id !== m.analysis).length
  );
  const [renaming, setRenaming] = React.useState(false);
  const shown =
    view === 'analyses'
      ? trans.__('Analyses')
      : analysis === null
        ? trans.__('New analysis')
        : title || trans.__('Analysis');
  return (
    <header className="ak-Header">
      {renaming && analysis !== null ? (
        <RenameField
          title={title}
          analysis={analysis}
          onDone={() => {
            setRenaming(false);
          }}
        />
      ) : (
        <div className="ak-Header-title">
          <h2 title={shown}>{shown}</h2>
          {verification !== null && view === 'conversation' && (
            <VerificationBadge verification={verification} className="ak-Header-verified" />
          )}
        </div>
      )}
      <button
        type="button"
        className="ak-IconButton"
        aria-label={
          others > 0
            ? trans._n('Analyses, %1 running', 'Analyses, %1 running', others)
            : trans.__('Analyses')
        }
        aria-pressed={view === 'analyses'}
        title={trans.__('Analyses')}
        onClick={() => {
          model.showView(view === 'analyses' ? 'conversation' : 'analyses');
        }}
      >
        <listIcon.react tag="span" className="ak-Icon" />
        {others > 0 && <span className="ak-Dot">{others}</span>}
      </button>
      <button
        type="button"
        className="ak-IconButton"
        aria-label={trans.__('New analysis')}
        title={trans.__('New analysis')}
        onClick={() => {
          model.show(null);
          model.focusQuestion();
        }}
      >
        <addIcon.react tag="span" className="ak-Icon" />
      </button>
      {analysis !== null && view === 'conversation' && (
        <MoreMenu
          analysis={analysis}
          title={title}
          onRename={() => {
            setRenaming(true);
          }}
        />
      )}
    </header>
  );
}

function MoreMenu(props: {
  readonly analysis: string;
  readonly title: string;
  readonly onRename: () => void;
}): React.JSX.Element {
  const { analysis, title, onRename } = props;
  const { trans, model, actions } = useServices();
  const charts = useChartCount();
  const [deleting, setDeleting] = React.useState(false);
  const [gallery, setGallery] = React.useState(false);
  const [sent, setSent] = React.useState(false);
  const items: (MenuItem | 'separator')[] = [
    {
      label: trans.__('Open notebook'),
      disabled: actions.openNotebook === null,
      run: () => actions.openNotebook?.(analysis)
    },
    ...(actions.openBeside === null
      ? []
      : [
          {
            label: trans.__('Open beside'),
            run: () => actions.openBeside?.(analysis)
          }
        ]),
    {
      label: trans._n('%1 chart', '%1 charts', charts),
      disabled: charts === 0,
      run: () => {
        setGallery(true);
      }
    },
    'separator',
    {
      label: trans.__('Verify'),
      detail: trans.__('Runs all cells in a fresh kernel and compares outputs'),
      run: () => void model.send({ type: 'verify_analysis' })
    },
    {
      label: trans.__('Refresh'),
      detail: trans.__('Computes the answers again on the data as they are now'),
      run: () => void model.send({ type: 'refresh_analysis' })
    },
    {
      label: trans.__('Run all again'),
      detail: trans.__('In the same kernel'),
      run: () => void model.send({ type: 'run_again', cell: null })
    },
    {
      label: trans.__('Branch from here'),
      run: () => {
        actions.branch(analysis);
      }
    },
    'separator',
    ...(['ipynb', 'html', 'py'] as const).map(format => ({
      label: {
        ipynb: trans.__('Export clean notebook'),
        html: trans.__('Export web page'),
        py: trans.__('Export script')
      }[format],
      run: () => {
        actions.exportAnalysis(analysis, format, format !== 'html');
      }
    })),
    'separator',
    { label: trans.__('Rename'), run: onRename },
    {
      label: trans.__('Delete …'),
      run: () => {
        setDeleting(true);
      }
    },
    {
      label: trans.__('What was sent …'),
      detail: trans.__('Every request to a model, byte for byte'),
      run: () => {
        setSent(true);
      }
    },
    {
      label: trans.__('Settings'),
      disabled: actions.openSettings === null,
      run: () => actions.openSettings?.()
    }
  ];
  return (
    <>
      <Menu label={trans.__('More')} className="ak-IconButton" align="end" items={items}>
        <ellipsesIcon.react tag="span" className="ak-Icon" />
      </Menu>
      {deleting && (
        <DeleteDialog
          analysis={analysis}
          title={title}
          onClose={() => {
            setDeleting(false);
          }}
        />
      )}
      {sent && (
        <SentDialog
          onClose={() => {
            setSent(false);
          }}
        />
      )}
      {gallery && (
        <Gallery
          onClose={() => {
            setGallery(false);
          }}
        />
      )}
    </>
  );
}
