/** The modules of gpu.js, for programs that use the types of percept: the bundles contain gpu.js, and npm does not install it. */
declare module 'gpu.js';
declare module 'gpu.js/package.json' {
  const manifest: { readonly version: string };
  export default manifest;
}
