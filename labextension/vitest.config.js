import { defineConfig } from 'vitest/config';

export default defineConfig({
  oxc: { jsx: { runtime: 'automatic' } },
  test: {
    include: ['tests/**/*.test.ts', 'tests/**/*.test.tsx'],
    environment: 'node',
    // A file that draws needs the comment `// @vitest-environment happy-dom`.
    maxWorkers: 2,
    silent: 'passed-only',
    restoreMocks: true,
    setupFiles: ['tests/page.ts'],
    // JupyterLab's packages import style sheets and each other in ways that Node alone cannot.
    server: { deps: { inline: [/@jupyterlab/, /@jupyter\//, /@lumino/] } },
    css: false
  }
});
