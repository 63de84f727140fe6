/** Replaces react-devtools-core in the bundle: it is not installed, and Ink would connect to it if DEV=true. */
export default { initialize() {}, connectToDevTools() {} };
