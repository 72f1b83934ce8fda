"""The real systems from Maven, for comparisons: a Kafka broker, a ZooKeeper, a NameNode with a DataNode.

They take the address that a Raudal holds or one of their own, write below a folder of the caller, and are stopped by
close() or at the end of a `with`. Nothing here is needed to use Raudal.
"""
import os
import pathlib
import signal
import socket
import subprocess
import time

from harness import Address, Environment, wait_until

# What Kafka's own start script passes.
KAFKA_JAVA = ["-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
              "-XX:InitiatingHeapOccupancyPercent=35", "-Djava.awt.headless=true"]


def answers(address, port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


class RealSystem:
    def __init__(self, folder, address=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.held = None if address else Address()
        self.address = address or self.held.address
        self.processes = []

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    def java(self, environment, options, main, *arguments, conf=None):
        jars = Environment.get(environment)
        classpath = f"{conf or jars.path / 'conf'}:{jars.path / 'jars'}/*"
        output = open(self.folder / f"{main.rpartition('.')[2]}.txt", "a")
        process = subprocess.Popen(["java", *options, "-cp", classpath, main, *map(str, arguments)], stdout=output,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=self.folder,
                                   start_new_session=True)
        self.processes.append(process)
        return process

    def await_port(self, port, seconds=60):
        def ready():
            if any(process.poll() is not None for process in self.processes):
                raise AssertionError(f"a real process ended:\n{self.output()}")
            return answers(self.address, port)
        wait_until(ready, seconds, f"port {port} of the real system", 0.02)

    def output(self):
        return "\n".join(file.read_text(errors="replace")[-3000:] for file in self.folder.glob("*.txt"))

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.processes = []
        if self.held:
            self.held.close()


class RealKafka(RealSystem):
    """One KRaft node, broker and controller. log_dir may be a folder that a Raudal has written (and stopped on)."""

    def __init__(self, folder, address=None, log_dir=None, settings=None):
        super().__init__(folder, address)
        self.log_dir = pathlib.Path(log_dir) if log_dir else self.folder / "kafka-logs"
        self.settings = settings or {}

    @property
    def bootstrap(self):
        return f"{self.address}:9092"

    def start(self):
        settings = {
            "process.roles": "broker,controller", "node.id": 1, "log.dirs": self.log_dir, "num.partitions": 3,
            "log.segment.bytes": 1073741824,     # as in the file that Kafka comes with: --describe shows it then
            "listeners": f"PLAINTEXT://{self.address}:9092,CONTROLLER://{self.address}:9093",
            "advertised.listeners": f"PLAINTEXT://{self.address}:9092", "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": f"1@{self.address}:9093", "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1, "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.replication.factor": 1, "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0, **self.settings,
        }
        properties = self.folder / "server.properties"
        properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        if not (self.log_dir / "meta.properties").exists():
            formatted = Environment.get("kafka").tool("kafka-storage.sh", "format", "-t", "bench-cluster-id-00000A",
                                                      "-c", properties)
            assert formatted.returncode == 0, formatted
        self.started = time.monotonic()
        self.process = self.java("kafka", KAFKA_JAVA, "kafka.Kafka", properties)
        self.await_port(9092)
        return self


class RealZooKeeper(RealSystem):
    """One standalone server."""

    def start(self):
        configuration = self.folder / "zoo.cfg"
        configuration.write_text(f"dataDir={self.folder}/data\nclientPort=2181\nclientPortAddress={self.address}\n"
                                 "admin.enableServer=false\n4lw.commands.whitelist=*\n")
        self.java("zookeeper", [], "org.apache.zookeeper.server.quorum.QuorumPeerMain", configuration)
        self.await_port(2181)
        return self


class RealHdfs(RealSystem):
    """A NameNode and a DataNode, on 127.0.0.1: the NameNode hands out the address that the DataNode's connection came
    from, and that is always this one. Maven has no web pages for them; an empty folder satisfies their start."""

    def __init__(self, folder):
        super().__init__(folder, "127.0.0.1")

    @property
    def url(self):
        return f"hdfs://{self.address}:9000"

    def start(self):
        conf = self.folder / "conf"
        for folder in ("conf", "web/webapps/hdfs/WEB-INF", "web/webapps/datanode/WEB-INF"):
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        for name in ("hdfs", "datanode"):
            (self.folder / f"web/webapps/{name}/WEB-INF/web.xml").write_text("<web-app/>")
        values = {
            "core-site.xml": {"fs.defaultFS": self.url, "hadoop.tmp.dir": self.folder / "tmp"},
            "hdfs-site.xml": {
                "dfs.replication": 1, "dfs.namenode.rpc-bind-host": self.address,
                "dfs.namenode.http-address": f"{self.address}:9870", "dfs.datanode.address": f"{self.address}:9866",
                "dfs.datanode.http.address": f"{self.address}:9864", "dfs.datanode.ipc.address": f"{self.address}:9867",
                "dfs.datanode.hostname": self.address, "dfs.namenode.datanode.registration.ip-hostname-check": "false",
            },
        }
        for file, settings in values.items():
            (conf / file).write_text("<configuration>" + "".join(
                f"<property><name>{name}</name><value>{value}</value></property>" for name, value in settings.items())
                + "</configuration>")
        hadoop = Environment.get("hadoop")
        web = self.folder / "web"
        for file in (hadoop.path / "conf").glob("log4j*"):
            (conf / file.name).write_text(file.read_text())
        if not (self.folder / "tmp").exists():
            formatted = hadoop.tool("namenode", "-format", "-nonInteractive",
                                    env=dict(os.environ, RAUDAL_CONF=str(conf)))
            assert formatted.returncode == 0, formatted
        server = "org.apache.hadoop.hdfs.server."
        self.started = time.monotonic()
        self.java("hadoop", [], server + "namenode.NameNode", conf=f"{conf}:{web}")
        self.await_port(9000)
        self.java("hadoop", [], server + "datanode.DataNode", conf=f"{conf}:{web}")
        self.await_port(9866)
        shell_environment = dict(os.environ, RAUDAL_CONF=str(conf))
        wait_until(lambda: "Hostname" in hadoop.tool("hdfs-admin", "-report", "-live", env=shell_environment).stdout,
            60,
                   "the DataNode's report")
        return self

    def fs(self, *words):
        return Environment.get("hadoop").tool("hadoop-fs", *words,
                                              env=dict(os.environ, RAUDAL_CONF=str(self.folder / "conf")))
