import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Whose processor time is told apart, in the order in which it is shown. */
const users = [
  "API server",
  "etcd",
  "controllers and scheduler",
  "kube-proxy, CoreDNS and CNI",
  "pods of checks",
  "kubelet",
  "containerd",
  "shims",
  "runc and CNI programs",
  "systemd",
  "engine",
  "suite",
  "other",
] as const;
type User = (typeof users)[number];

/** Processor seconds of a moment since the sampler began, by their users. */
export type ProcessorTime = Readonly<Record<User, number>>;

/** The pods of the system, by the program in them as the kernel has its name (15 characters, proc_pid_comm(5)). */
const systemPods: Readonly<Record<string, User>> = {
  "kube-apiserver": "API server",
  etcd: "etcd",
  "kube-controller": "controllers and scheduler",
  "kube-scheduler": "controllers and scheduler",
  "local-path-prov": "controllers and scheduler",
  "kube-proxy": "kube-proxy, CoreDNS and CNI",
  coredns: "kube-proxy, CoreDNS and CNI",
  kindnetd: "kube-proxy, CoreDNS and CNI",
};

/** What runs on a node beside its pods. */
const nodePrograms: Readonly<Record<string, User>> = {
  kubelet: "kubelet",
  containerd: "containerd",
  "containerd-shim": "shims",
  systemd: "systemd",
  "systemd-journal": "systemd",
  "systemd-udevd": "systemd",
};

const enginePrograms = new Set([
  "dockerd",
  "containerd",
  "containerd-shim",
  "docker-proxy",
  "docker-init",
  "podman",
  "conmon",
]);

/** The kernel counts processes' time in hundredths of a second (proc_pid_stat(5), sysconf(_SC_CLK_TCK) on Linux). */
const ticksPerSecond = 100;

interface Process {
  readonly pid: number;
  /** In clock ticks: tells it from a later one with the same id. */
  readonly started: string;
  readonly parent: number;
  readonly program: string;
  readonly seconds: number;
  /** Path of the cgroup in which its processor time is counted. */
  readonly cgroup: string;
}

/** What is counted of a pod: by its cgroup, which is gone with it. */
interface Counted {
  user: User | undefined;
  seconds: number;
}

/**
 * Reads how much processor time a cluster on this machine takes: of pods by their cgroups, which count what is over too, of all else
 * by its processes. What runs for less than the time between two samples is "runc and CNI programs" on a node, and "other" beside it.
 */
export class ProcessorSampler {
  readonly #root = cpuRoot();
  /** The command whose processes are the suite's. */
  readonly #suite: number;
  readonly #busyBefore = busySeconds();
  /** By node, which is a cgroup of a container. */
  readonly #nodes = new Map<string, { total: number; pods: number }>();
  readonly #pods = new Map<string, Counted>();
  /** Of each process, the time last seen: what ended keeps its share. */
  readonly #processes = new Map<string, { readonly user: User; seconds: number; readonly before: number }>();
  #first = true;

  constructor(suite: number) {
    this.#suite = suite;
  }

  /** Pods of checks that were seen. */
  get pods(): number {
    return [...this.#pods.values()].filter(({ user }) => user === undefined).length;
  }

  /** Returns the processor seconds since the sampler was made. */
  sample(): ProcessorTime {
    const processes = readProcesses();
    const parents = new Map(processes.map(({ pid, parent }) => [pid, parent]));
    for (const process of processes) this.#count(process, parents);
    for (const [node, counted] of this.#nodes) {
      counted.total = Math.max(counted.total, this.#used(node) ?? 0);
      const pods = join(node, podsFolder(this.#root, node));
      counted.pods = Math.max(counted.pods, this.#used(pods) ?? 0);
    }
    for (const [cgroup, pod] of this.#pods) pod.seconds = Math.max(pod.seconds, this.#used(cgroup) ?? 0);
    this.#first = false;
    return this.#sum();
  }

  #count({ pid, started, program, cgroup, seconds }: Process, parents: ReadonlyMap<number, number>): void {
    const node = containerIn(cgroup);
    const pod = podIn(cgroup);
    if (node !== undefined && !this.#nodes.has(node)) this.#nodes.set(node, { total: 0, pods: 0 });
    if (pod !== undefined) {
      const counted = this.#pods.get(pod) ?? { user: undefined, seconds: 0 };
      counted.user ??= systemPods[program];
      this.#pods.set(pod, counted);
      return;
    }
    const user =
      node === undefined
        ? enginePrograms.has(program)
          ? "engine"
          : descends(pid, this.#suite, parents)
            ? "suite"
            : undefined
        : nodePrograms[program];
    if (user === undefined) return;
    const key = `${pid} ${started} ${program}`;
    const known = this.#processes.get(key);
    if (known === undefined) this.#processes.set(key, { user, seconds, before: this.#first ? seconds : 0 });
    else known.seconds = seconds;
  }

  #sum(): ProcessorTime {
    const time = Object.fromEntries(users.map((user) => [user, 0])) as Record<User, number>;
    for (const { user, seconds, before } of this.#processes.values()) time[user] += seconds - before;
    const onNodes = [...this.#nodes.values()];
    const total = onNodes.reduce((sum, node) => sum + node.total, 0);
    const inPods = onNodes.reduce((sum, node) => sum + node.pods, 0);
    for (const { user, seconds } of this.#pods.values()) if (user !== undefined) time[user] += seconds;
    const system = [...new Set(Object.values(systemPods))].reduce((sum, user) => sum + time[user], 0);
    time["pods of checks"] = Math.max(0, inPods - system);
    const programs = [...new Set(Object.values(nodePrograms))].reduce((sum, user) => sum + time[user], 0);
    time["runc and CNI programs"] = Math.max(0, total - inPods - programs);
    const known = total + time.engine + time.suite;
    time.other = Math.max(0, busySeconds() - this.#busyBefore - known);
    return time;
  }

  /** Returns the seconds that a cgroup has used; undefined if it is gone. */
  #used(cgroup: string): number | undefined {
    const folder = join(this.#root, cgroup);
    try {
      const old = join(folder, "cpuacct.usage");
      if (existsSync(old)) return Number(readFileSync(old, "utf8")) / 1e9;
      return Number(/^usage_usec (\d+)$/m.exec(readFileSync(join(folder, "cpu.stat"), "utf8"))?.[1]) / 1e6;
    } catch {
      return undefined;
    }
  }
}

/** Returns where cgroups count processor time: the controller's own tree on cgroup v1, the one tree on v2 (cgroups(7)). */
function cpuRoot(): string {
  const own = ["/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/cpu,cpuacct"];
  return own.find((folder) => existsSync(folder)) ?? "/sys/fs/cgroup";
}

/** Returns the cgroup of the engine's container in which a process is. */
function containerIn(cgroup: string): string | undefined {
  return /^.*?[0-9a-f]{64}(?:\.scope)?(?=\/|$)/.exec(cgroup)?.[0];
}

/** Returns the cgroup of the pod in which a process is. */
function podIn(cgroup: string): string | undefined {
  return /^.*kubepods.*?-pod[0-9a-f_]+\.slice/.exec(cgroup)?.[0];
}

/** Returns where a node's pods are below its own cgroup: kind puts them below the kubelet's. */
function podsFolder(root: string, node: string): string {
  const below = "kubelet.slice/kubelet-kubepods.slice";
  return existsSync(join(root, node, below)) ? below : "kubepods.slice";
}

function descends(from: number, ancestor: number, parents: ReadonlyMap<number, number>): boolean {
  for (let pid: number | undefined = from; pid !== undefined && pid > 1; pid = parents.get(pid))
    if (pid === ancestor) return true;
  return false;
}

/** Returns the seconds in which this machine's processors did anything (proc_stat(5)). */
function busySeconds(): number {
  const [user = 0, nice = 0, system = 0, , , interrupts = 0, soft = 0] =
    /^cpu +(.*)$/m.exec(readFileSync("/proc/stat", "utf8"))?.[1]?.split(" ").map(Number) ?? [];
  return (user + nice + system + interrupts + soft) / ticksPerSecond;
}

function readProcesses(): Process[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "utf8");
        const end = stat.lastIndexOf(")");
        const fields = stat.slice(end + 2).split(" ");
        return [
          {
            pid: Number(name),
            started: fields[19] ?? "",
            program: stat.slice(stat.indexOf("(") + 1, end),
            parent: Number(fields[1]),
            seconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
            cgroup: cgroupOf(name),
          },
        ];
      } catch {
        // It ended a moment ago.
        return [];
      }
    });
}

function cgroupOf(pid: string): string {
  const text = readFileSync(`/proc/${pid}/cgroup`, "utf8");
  return /^\d+:(?:[^:]*,)?cpuacct(?:,[^:]*)?:(.*)$/m.exec(text)?.[1] ?? /^0::(.*)$/m.exec(text)?.[1] ?? "";
}
