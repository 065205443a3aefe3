import { defineConfig } from 'vite';

// Built into the folder that the caller names; `shots.py` does so.
export default defineConfig({
  root: import.meta.dirname,
  base: './',
  define: { 'process.env': '{}', global: 'globalThis' },
  build: { emptyOutDir: true, minify: false, chunkSizeWarningLimit: 20000 },
  logLevel: 'warn'
});
