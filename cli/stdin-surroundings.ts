/** Looks at the processes around percept for what cli/stdin.ts decides by. */
import {
  allPids,
  descriptorsOf,
  type OpenFile,
  openFile,
  ownLine,
  type Process,
  processOf,
  targetOf,
} from './processes.ts';
import { isShell, isShellsPipe, type SharingShell, type Writer } from './stdin.ts';

const SHELLS_OWN = 10; // first descriptor for a shell's own files; scripts use 3 to 9

/** The shells among the ancestors that have percept's stdin as theirs, the nearest first. */
export function sharingShells(): SharingShell[] {
  const line = ownLine();
  const stdin = line[0] && openFile(line[0].pid, 0);
  if (!stdin) return [];
  return line.flatMap((process, i) => {
    if (i === 0 || !isShell(process)) return [];
    const theirs = openFile(process.pid, 0);
    if (theirs?.target !== stdin.target) return [];
    const started = line.slice(0, i).findLast(({ isCopy }) => !isCopy) ?? line[0]!;
    const kept = keptBy(process, started);
    return [{ process, started, sharesPosition: theirs.position === stdin.position, kept }];
  });
}

/** The shell's own files: it does not hand them on to what it starts. */
function keptBy(shell: Process, started: Process): OpenFile[] {
  const own = (descriptorsOf(shell.pid) ?? []).filter((fd) => fd >= SHELLS_OWN);
  const files = own.map((fd) => ({ file: openFile(shell.pid, fd), handed: openFile(started.pid, fd) }));
  return files.flatMap(({ file, handed }) => (file && file.target !== handed?.target ? [file] : []));
}

/** Whether the pipe on stdin is a shell's. True where processes cannot be looked at. */
export function stdinIsShellsPipe(): boolean {
  const [self, ...ancestors] = ownLine();
  const target = self && openFile(self.pid, 0)?.target;
  if (!target) return true;
  const writers: Writer[] = [];
  let hidden = 0;
  for (const pid of allPids()) {
    if (pid === self.pid) continue;
    const ancestor = ancestors.find((process) => process.pid === pid);
    const descriptors = descriptorsOf(pid);
    if (!descriptors && !ancestor && processOf(pid)?.session === self.session) hidden++;
    if (!descriptors?.some((fd) => targetOf(pid, fd) === target && openFile(pid, fd)?.writable)) continue;
    const readsIt = targetOf(pid, 0) === target;
    writers.push({
      isAncestor: ancestor !== undefined,
      isShell: ancestor !== undefined && isShell(ancestor),
      readsIt,
    });
  }
  return isShellsPipe(writers, hidden);
}
