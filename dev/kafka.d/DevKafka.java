import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.errors.TopicExistsException;

/** The part of dev/kafka that speaks Kafka's protocol; one process formats, serves and probes. */
public final class DevKafka {
    /** One metadata request may take this long before it is sent again. */
    private static final int REQUEST_TIMEOUT_MS = 2_000;

    public static void main(String[] args) throws Exception {
        switch (args[0]) {
            case "serve" -> serve(args[1], args[2], Path.of(args[3]), args[4]);
            case "ready" -> System.exit(ready(args[1], Long.parseLong(args[2])) ? 0 : 1);
            case "create-topic" ->
                createTopic(
                        args[1],
                        args[2],
                        Integer.parseInt(args[3]),
                        List.of(args).subList(4, args.length));
            default -> throw new IllegalArgumentException("unknown command " + args[0]);
        }
        System.exit(0);
    }

    /**
     * Formats the data folder if it is new, then runs the broker until it is told to stop.
     *
     * @param owner process to live no longer than, or "-". When it ends, the broker ends at once;
     *     its folder goes too if a file named "temporary" says so. A test run that is killed thus
     *     leaves nothing behind.
     */
    private static void serve(String bootstrap, String owner, Path folder, String cluster)
            throws Exception {
        if (!owner.equals("-")) {
            follow(Long.parseLong(owner), folder);
        }
        String config = folder.resolve("server.properties").toString();
        if (!Files.exists(folder.resolve("data/meta.properties"))) {
            String[] format = {"format", "-t", cluster, "-c", config};
            int code = kafka.tools.StorageTool.execute(format, System.err);
            if (code != 0) {
                System.exit(code);
            }
        }
        Thread probe = new Thread(() -> report(bootstrap, folder), "ready-probe");
        probe.setDaemon(true);
        probe.start();
        kafka.Kafka.main(new String[] {config});
    }

    private static void follow(long owner, Path folder) {
        Optional<ProcessHandle> handle = ProcessHandle.of(owner);
        if (handle.isEmpty()) {
            end(folder);
            return;
        }
        handle.get().onExit().thenRun(() -> end(folder));
    }

    private static void end(Path folder) {
        if (Files.exists(folder.resolve("temporary"))) {
            try (Stream<Path> files = Files.walk(folder)) {
                files.sorted(Comparator.reverseOrder()).forEach(file -> file.toFile().delete());
            } catch (IOException | java.io.UncheckedIOException error) {
                System.err.println("cannot remove " + folder + ": " + error);
            }
        }
        Runtime.getRuntime().halt(0);
    }

    /** Writes the file "ready" once the broker has answered a metadata request over its socket. */
    private static void report(String bootstrap, Path folder) {
        try {
            if (ready(bootstrap, 60_000)) {
                Path aside = Files.writeString(folder.resolve("ready.new"), bootstrap + "\n");
                Files.move(aside, folder.resolve("ready"), StandardCopyOption.ATOMIC_MOVE);
            }
        } catch (Exception error) {
            System.err.println("ready probe: " + error);
        }
    }

    private static boolean ready(String bootstrap, long timeoutMs) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(timeoutMs);
        try (Admin admin = admin(bootstrap)) {
            do {
                try {
                    if (!admin.describeCluster().nodes().get().isEmpty()) {
                        return true;
                    }
                } catch (ExecutionException notYet) {
                    TimeUnit.MILLISECONDS.sleep(20);
                }
            } while (System.nanoTime() < end);
        }
        return false;
    }

    private static void createTopic(
            String bootstrap, String name, int partitions, List<String> settings) throws Exception {
        Map<String, String> config = new HashMap<>();
        for (String setting : settings) {
            String[] pair = setting.split("=", 2);
            if (pair.length != 2) {
                throw new IllegalArgumentException("expected key=value, got " + setting);
            }
            config.put(pair[0], pair[1]);
        }
        NewTopic topic = new NewTopic(name, partitions, (short) 1).configs(config);
        try (Admin admin = admin(bootstrap)) {
            admin.createTopics(List.of(topic)).all().get();
        } catch (ExecutionException error) {
            if (!(error.getCause() instanceof TopicExistsException)) {
                fail("cannot create topic " + name + ": " + error.getCause().getMessage());
            }
            int found = partitions(bootstrap, name);
            if (found != partitions) {
                fail("topic " + name + " has " + found + " partitions, not " + partitions);
            }
            System.err.println("topic " + name + " exists already");
        }
    }

    private static int partitions(String bootstrap, String name) throws Exception {
        try (Admin admin = admin(bootstrap)) {
            var topics = admin.describeTopics(List.of(name)).allTopicNames().get();
            return topics.get(name).partitions().size();
        }
    }

    private static void fail(String message) {
        System.err.println(message);
        System.exit(1);
    }

    private static Admin admin(String bootstrap) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("request.timeout.ms", REQUEST_TIMEOUT_MS);
        settings.put("default.api.timeout.ms", REQUEST_TIMEOUT_MS * 5);
        settings.put("reconnect.backoff.ms", 20);
        settings.put("reconnect.backoff.max.ms", 100);
        return Admin.create(settings);
    }

    private DevKafka() {}
}
