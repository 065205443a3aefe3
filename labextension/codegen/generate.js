// Makes src/protocol/generated.ts from src/protocol/schema.json; with --check it only compares.
// It does not make the schema: `python -m analyst_kernel.protocol.schema` does (see `make codegen`).
import { readFile, writeFile } from 'node:fs/promises';
import process from 'node:process';
import { URL } from 'node:url';
import { compile } from 'json-schema-to-typescript';

const SCHEMA = new URL('../src/protocol/schema.json', import.meta.url);
const TARGET = new URL('../src/protocol/generated.ts', import.meta.url);

const BANNER = `// Generated from schema.json by \`make codegen\`; do not edit.

/** Any JSON value. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | JsonValue[]
  | { [key: string]: JsonValue };`;

/** What is read and what is written differ in which fields may be left out, so both are named. */
function typeName(name) {
  return name.replace(/-Output$/, '').replace(/-Input$/, 'Input');
}

/** Copy a schema, renaming references, and leave out what the generator would turn into noise. */
function adapt(node) {
  if (Array.isArray(node)) {
    return node.map(adapt);
  }
  if (node === null || typeof node !== 'object') {
    return node;
  }
  if (node.$ref === '#/$defs/JsonValue') {
    return { tsType: 'JsonValue' };
  }
  if (typeof node.$ref === 'string') {
    // A default beside a reference would make a second, numbered type of the same thing.
    return { $ref: '#/definitions/' + typeName(node.$ref.slice('#/$defs/'.length)) };
  }
  const { discriminator: _, ...rest } = node;
  return Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, adapt(value)]));
}

/** The schema as the generator wants it: every definition titled by the name it shall have. */
function adaptWire(schema) {
  const definitions = {};
  for (const [name, definition] of Object.entries(schema.$defs)) {
    if (name !== 'JsonValue') {
      definitions[typeName(name)] = { ...adapt(definition), title: typeName(name) };
    }
  }
  const { $defs: _, ...root } = schema;
  return { ...adapt(root), definitions };
}

/** The whole of generated.ts as text. */
async function generate() {
  const schema = JSON.parse(await readFile(SCHEMA, 'utf8'));
  const types = await compile(adaptWire(schema), 'Wire', {
    additionalProperties: false,
    bannerComment: BANNER,
    format: true,
    ignoreMinAndMaxItems: true,
    style: { printWidth: 100, singleQuote: true, trailingComma: 'none' }
  });
  return [
    types,
    tagList(schema, 'Event', 'EVENT_TYPES', 'event'),
    tagList(schema, 'Command', 'COMMAND_TYPES', 'command'),
    tagList(schema, 'ServerFrame', 'SERVER_FRAME_TYPES', 'frame from the server')
  ].join('\n');
}

/** A constant that lists the tags of one union, in alphabetical order. */
function tagList(schema, union, constant, noun) {
  const tags = Object.keys(schema.$defs[union].discriminator.mapping).sort();
  return `/** The tag of every ${noun} there is. */
export const ${constant} = [
${tags.map(tag => `  '${tag}'`).join(',\n')}
] as const satisfies readonly ${union}['type'][];
`;
}

const text = await generate();
if (process.argv.includes('--check')) {
  if ((await readFile(TARGET, 'utf8')) !== text) {
    process.stderr.write('generated.ts is not what schema.json gives: run `make codegen`.\n');
    process.exitCode = 1;
  }
} else {
  await writeFile(TARGET, text);
}
