/** A file's text, as the bundler gives it. */
declare module '*.jsonl?raw' {
  const text: string;
  export default text;
}
declare module '*.css';
