"""Hadoop's own shell and client, many calls in one JVM: the one that pyspark carries. Runs in an environment with pyspark.

A line on standard input is a JSON list: user, tool, arguments. Tools: "fs" and "admin" are Hadoop's FsShell and DFSAdmin;
"write PATH COUNT PAUSE_MS" writes the numbers from 0 as lines with hflush and prints how many were acknowledged. The
answer is a JSON list: exit status, standard output, standard error. Argument: the default file system."""
import json
import sys
import time

from pyspark.java_gateway import launch_gateway

gateway = launch_gateway()
jvm = gateway.jvm
java, hadoop = jvm.java, jvm.org.apache.hadoop


def configuration():
    made = hadoop.conf.Configuration()
    made.set("fs.defaultFS", sys.argv[1])
    made.setInt("ipc.client.connect.max.retries", 50)
    made.setInt("ipc.client.connect.retry.interval", 100)
    return made


def write(path, count, pause_ms):
    acknowledged, problem = 0, ""
    try:
        out = hadoop.fs.FileSystem.get(configuration()).create(hadoop.fs.Path(path))
        for number in range(int(count)):
            out.write(b"%d\n" % number)
            out.hflush()
            acknowledged += 1
            time.sleep(int(pause_ms) / 1000)
        out.close()
    except Exception as error:
        problem = str(error)
    return [1 if problem else 0, str(acknowledged), problem]


def shell(tool, arguments):
    captured = [java.io.ByteArrayOutputStream(), java.io.ByteArrayOutputStream()]
    kept = [java.lang.System.out, java.lang.System.err]
    java.lang.System.setOut(java.io.PrintStream(captured[0], True))
    java.lang.System.setErr(java.io.PrintStream(captured[1], True))
    words = gateway.new_array(java.lang.String, len(arguments))
    for index, word in enumerate(arguments):
        words[index] = word
    main = hadoop.fs.FsShell() if tool == "fs" else hadoop.hdfs.tools.DFSAdmin()
    status = hadoop.util.ToolRunner.run(configuration(), main, words)
    java.lang.System.setOut(kept[0])
    java.lang.System.setErr(kept[1])
    return [status & 255, captured[0].toString(), captured[1].toString()]


hadoop.security.UserGroupInformation.setConfiguration(configuration())
jvm.org.apache.log4j.LogManager.getRootLogger().setLevel(jvm.org.apache.log4j.Level.OFF)
print("ready", flush=True)
for line in sys.stdin:
    user, tool, arguments = json.loads(line)
    login = hadoop.security.UserGroupInformation.createRemoteUser(user)
    hadoop.security.UserGroupInformation.setLoginUser(login)
    try:
        answer = write(*arguments) if tool == "write" else shell(tool, arguments)
    except Exception as error:
        answer = [255, "", str(error)]
    hadoop.fs.FileSystem.closeAllForUGI(login)
    print(json.dumps(answer), flush=True)
