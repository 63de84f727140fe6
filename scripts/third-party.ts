/** The licence texts of the packages in the bundles, for dist/THIRD-PARTY-LICENSES. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Packages under MIT that leave out the file: their copyright, from the head of their sources. */
const COPYRIGHTS: Readonly<Record<string, string>> = {
  'yoga-layout': 'Copyright (c) Meta Platforms, Inc. and affiliates.',
};

/**
 * @param root the checkout
 * @param inputs the bundled files, relative to it
 * @throws Error if a package has no licence text
 */
export function licences(root: string, inputs: readonly string[]): string {
  const packages = new Map<string, string[]>();
  for (const input of inputs) {
    const folder = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
    if (folder) packages.set(folder, [...(packages.get(folder) ?? []), input]);
  }
  return [...packages]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([folder, files]) => licence(root, folder, files))
    .join(`\n${'-'.repeat(80)}\n`);
}

function licence(root: string, folder: string, files: readonly string[]): string {
  const read = (path: string) => readFileSync(join(root, path), 'utf8');
  const { name, version, license } = JSON.parse(read(join(folder, 'package.json')));
  const [file] = globSync('{LICENSE,LICENCE,license,COPYING}*', { cwd: join(root, folder) });
  const own = file
    ? read(join(folder, file))
    : license === 'MIT' && COPYRIGHTS[name] && mit(COPYRIGHTS[name]);
  if (!own)
    throw new Error(
      `Expected a licence file in ${folder}, got none: add its text to scripts/third-party.ts.`,
    );
  const texts = [
    `${name} ${version} (${license})`,
    own.trim(),
    ...files.flatMap((path) => within(read(path))),
  ];
  return `${texts.join('\n\n')}\n`;
}

/** Comments of a source that are licences of what it took from elsewhere. */
function within(source: string): string[] {
  const comments = source
    .split('/*')
    .slice(1)
    .map((part) => part.split('*/', 1)[0]!);
  return comments
    .filter((comment) => comment.includes('Permission is hereby granted'))
    .map((comment) => comment.replace(/^ ?\* ?/gm, '').trim());
}

/** https://spdx.org/licenses/MIT.html */
function mit(copyright: string): string {
  return `MIT License

${copyright}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation
files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy,
modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the
Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE,
ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;
}
