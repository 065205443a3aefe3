/** The panel as a Lumino widget: in the sidebar, or in a tab of the main area. */
import { ReactWidget } from '@jupyterlab/ui-components';
import { Drag } from '@lumino/dragdrop';
import type { Message } from '@lumino/messaging';
import * as React from 'react';
import { Panel } from './panel';
import type { PanelServices } from '../services';

/** The MIME type of the paths that the file browser drags. */
const CONTENTS_MIME = 'application/x-jupyter-icontents';

/** One panel; files that are dropped on it are attached. */
export class PanelWidget extends ReactWidget {
  constructor(readonly services: PanelServices) {
    super();
    this.addClass('ak-PanelWidget');
  }

  /** Dispose of the panel's model too. */
  override dispose(): void {
    if (!this.isDisposed) {
      this.services.model.dispose();
    }
    super.dispose();
  }

  protected override render(): React.JSX.Element {
    return React.createElement(Panel, { services: this.services });
  }

  /** Handle drags of files, from the file browser and from outside the page. */
  handleEvent(event: Event): void {
    if (event.type.endsWith('leave')) {
      this.removeClass('ak-mod-dropTarget');
    } else if (event instanceof Drag.Event) {
      if (event.type === 'lm-drop') {
        this.onServerDrop(event);
      } else {
        this.onServerDrag(event);
      }
    } else if (event instanceof DragEvent) {
      if (event.type === 'drop') {
        this.onFileDrop(event);
      } else {
        this.onFileDrag(event);
      }
    }
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    for (const type of DRAGS) {
      this.node.addEventListener(type, this);
    }
    this.node.addEventListener('focusin', this.onFocus);
    window.addEventListener('focus', this.onPageFocus);
  }

  protected override onBeforeDetach(message: Message): void {
    for (const type of DRAGS) {
      this.node.removeEventListener(type, this);
    }
    this.node.removeEventListener('focusin', this.onFocus);
    window.removeEventListener('focus', this.onPageFocus);
    super.onBeforeDetach(message);
  }

  /** Give the focus to the question box. */
  protected override onActivateRequest(): void {
    this.services.model.focusQuestion();
  }

  /** The focus came back to the panel, from elsewhere in the page. */
  private readonly onFocus = (event: FocusEvent): void => {
    if (!(event.relatedTarget instanceof Node && this.node.contains(event.relatedTarget))) {
      this.services.model.lookAtData();
    }
  };

  /** The user came back to the page, in which the panel is seen. */
  private readonly onPageFocus = (): void => {
    if (this.isVisible) {
      this.services.model.lookAtData();
    }
  };

  private onServerDrag(event: Drag.Event): void {
    if (event.mimeData.hasData(CONTENTS_MIME)) {
      event.preventDefault();
      event.stopPropagation();
      event.dropAction = event.proposedAction;
      this.addClass('ak-mod-dropTarget');
    }
  }

  private onServerDrop(event: Drag.Event): void {
    this.removeClass('ak-mod-dropTarget');
    const dropped: unknown = event.mimeData.getData(CONTENTS_MIME);
    if (Array.isArray(dropped)) {
      event.preventDefault();
      event.stopPropagation();
      event.dropAction = event.proposedAction;
      const paths = dropped.filter((path): path is string => typeof path === 'string');
      void this.services.model.attach(paths.map(withoutDrive));
    }
  }

  private onFileDrag(event: DragEvent): void {
    if (event.dataTransfer?.types.includes('Files') === true) {
      event.preventDefault();
      event.stopPropagation();
      this.addClass('ak-mod-dropTarget');
    }
  }

  private onFileDrop(event: DragEvent): void {
    this.removeClass('ak-mod-dropTarget');
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length > 0) {
      event.preventDefault();
      event.stopPropagation();
      void this.services.model.upload(files);
    }
  }
}

/** Return a path without its drive: `RTC:data/a.csv` is `data/a.csv`. */
export function withoutDrive(path: string): string {
  return path.replace(/^[A-Za-z][\w-]+:(?!\/\/)/, '');
}

const DRAGS = [
  'lm-dragenter',
  'lm-dragover',
  'lm-dragleave',
  'lm-drop',
  'dragover',
  'dragleave',
  'drop'
] as const;
