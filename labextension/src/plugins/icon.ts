/** The extension's icon: a rising line under a lens. */
import { LabIcon } from '@jupyterlab/ui-components';

const SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24" fill="none">
  <g class="jp-icon3" stroke="#616161" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">
    <circle cx="10.5" cy="10.5" r="7.5"/>
    <path d="M16 16l5 5"/>
    <path d="M6.5 12.5l2.7-3 2.3 2 3.2-4"/>
  </g>
</svg>`;

export const analystIcon = new LabIcon({ name: 'analyst-kernel:analyst', svgstr: SVG });
