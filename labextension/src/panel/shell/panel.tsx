/** The panel, composed of its parts. */
import * as React from 'react';
import { AnalysesList } from '../analyses/analyses-list';
import { Banners } from './banner';
import { Composer } from '../composer/composer';
import { Conversation } from '../conversation/conversation';
import { DataStrip } from '../data/data-strip';
import { Header } from './header';
import { ServicesProvider, usePanel, useServices, type PanelServices } from '../services';
import { StatusLine } from './status-line';

export function Panel({ services }: { readonly services: PanelServices }): React.JSX.Element {
  return (
    <ServicesProvider value={services}>
      <Layout />
    </ServicesProvider>
  );
}

function Layout(): React.JSX.Element {
  const { trans } = useServices();
  const view = usePanel(model => model.view);
  return (
    <div className="ak-Panel" role="region" aria-label={trans.__('Analyst')}>
      <Header />
      <Banners />
      {view === 'analyses' ? (
        <AnalysesList />
      ) : (
        <>
          <DataStrip />
          <NoModelLabel />
          <Conversation />
          <Composer />
          <StatusLine />
        </>
      )}
    </div>
  );
}

/** A line that is shown while the built-in rules answer. */
function NoModelLabel(): React.JSX.Element | null {
  const { trans } = useServices();
  const rules = usePanel(
    model => model.analysis !== null && (model.state?.isAi ?? model.summary?.is_ai) === false
  );
  return rules ? (
    <div className="ak-RulesLabel">
      {trans.__('Built-in rules answer here. No AI model is at work.')}
    </div>
  ) : null;
}
