/** Stands for react-devtools-core in the bundle: Ink would connect to it where DEV=true, and it is not installed. */
export default { initialize() {}, connectToDevTools() {} };
