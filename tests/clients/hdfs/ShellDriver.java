// ShellDriver: Hadoop's own shell, many commands in one JVM. A line on standard input holds user, tool (fs or admin) and the arguments, separated by
// U+001F. The answer is one line "exit-code stdout-bytes stderr-bytes", then those bytes. Arguments of this program: the default file system.
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.security.PrivilegedExceptionAction;
import java.util.Arrays;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.conf.Configured;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.FsShell;
import org.apache.hadoop.security.UserGroupInformation;
import org.apache.hadoop.util.Tool;
import org.apache.hadoop.util.ToolRunner;

public class ShellDriver {
    static int run(String user, String kind, String[] arguments, String defaultFs) throws Exception {
        return UserGroupInformation.createRemoteUser(user).doAs((PrivilegedExceptionAction<Integer>) () -> {
            Configuration configuration = new Configuration();
            configuration.set("fs.defaultFS", defaultFs);
            configuration.setInt("ipc.client.connect.max.retries", 2);
            Tool tool = kind.equals("admin")
                ? (Tool) Class.forName("org.apache.hadoop.hdfs.tools.DFSAdmin").getConstructor().newInstance()
                : new FsShell();
            ((Configured) tool).setConf(configuration);
            try {
                return ToolRunner.run(configuration, tool, arguments);
            } finally {
                FileSystem.closeAllForUGI(UserGroupInformation.getCurrentUser());
            }
        });
    }

    public static void main(String[] options) throws Exception {
        PrintStream answers = System.out, errors = System.err;
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = commands.readLine()) != null;) {
            String[] parts = line.split("\u001f", -1);
            ByteArrayOutputStream out = new ByteArrayOutputStream(), err = new ByteArrayOutputStream();
            System.setOut(new PrintStream(out, true, "UTF-8"));
            System.setErr(new PrintStream(err, true, "UTF-8"));
            int code;
            try {
                code = run(parts[0], parts[1], Arrays.copyOfRange(parts, 2, parts.length), options[0]);
            } catch (Throwable problem) {
                problem.printStackTrace(System.err);
                code = 255;
            }
            System.out.flush();
            System.err.flush();
            answers.println(code + " " + out.size() + " " + err.size());
            out.writeTo(answers);
            err.writeTo(answers);
            answers.flush();
        }
        System.exit(0);
    }
}
