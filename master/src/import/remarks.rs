//! What has no key here: every other tag of Icecast 2.4, 2.5 and KH, and what to do instead. Pure.

const SYSTEMD: &str = "systemd does it: see the unit that comes with the program";
const JOURNAL: &str =
    "the log goes to standard error and so to the journal; PLENUM_LOG=debug says more";
const NO_ADDRESSES: &str = "no, on purpose: no listener's address is kept";
const FIXED: &str = "fixed here: see the limits in docs/operate.md";
const NO_PAGES: &str =
    "no files are served; the status page is built in, a web server can do the rest";
const DIRECTORY: &str = "`url` of [directory]; sources say whether they want to be listed";
const SHARED_RING: &str =
    "listeners have no queue of their own: they share ring_seconds and ring_megabytes";
const WORKERS: &str = "`shards` are as many as processors";
const RELAY: &str = "a relay is a program of its own: `url` and `password` of [master] in relay.toml; it \
                     mirrors every mount";
const TLS_1_2: &str = "TLS 1.2 and 1.3 with the ciphers of rustls";
const HEADERS: &str = "`headers` has a name and a value for each";
const NOT_HERE: &str = "not here";
const FROM_THE_SOURCE: &str = "nothing is said here: what the source says is shown";
const FALLBACK: &str = "listeners of a mount come home from its `fallback` by themselves, and nobody else's \
                        do; one who finds it full gets 403, or with `fallback_when_full` the fallback";
const SCRIPT: &str = "`on_connect` and `on_disconnect` of a [[mount]] start programs";
const ACCESS: &str = "put the addresses into `allow` and `deny` of [access]";
const ICY_INTERVAL: &str = "`icy_interval_bytes` of the mount is 0 or 1000 to 1000000; without it, titles come every 16,000 \
     bytes to players that ask";
const DUMP: &str = "`dump_file` of the mount, which begins with /, and `dump_megabytes`; with a state_directory \
     `keep_hours` records it";

/// Tags by their path below `<icecast>`; the part before `*` is enough.
const INSTEAD: &[(&str, &str)] = &[
    ("location", "not shown"),
    ("admin", "not shown"),
    ("server-id", "the server calls itself Plenum"),
    ("fileserve", NO_PAGES),
    ("icelogin", "sources show their password in `Authorization`"),
    ("prng-seed/*", "the system's randomness is used"),
    ("kartoffelsalat", "no potato salad"),
    ("shoutcast-mount", "`mount` of [shoutcast]"),
    (
        "relays-on-demand",
        "relays mirror every mount all the time, so that listeners need not wait",
    ),
    ("master-server", RELAY),
    ("master-server-port", RELAY),
    ("master-username", RELAY),
    ("master-password", RELAY),
    (
        "master-update-interval",
        "not needed: the master tells its relays at once",
    ),
    ("master-ssl-port", RELAY),
    (
        "master-redirect",
        "a balancer does it: see docs/run-a-balancer.md",
    ),
    ("master-relay-auth", RELAY),
    ("master-bind", RELAY),
    (
        "max-redirect-slaves",
        "a balancer does it: see docs/run-a-balancer.md",
    ),
    (
        "redirect/*",
        "a balancer does it: see docs/run-a-balancer.md",
    ),
    ("relay/*", RELAY),
    ("relay", RELAY),
    ("limits/sources", "at most 256 mounts"),
    ("limits/queue-size", SHARED_RING),
    ("limits/min-queue-size", SHARED_RING),
    ("limits/threadpool", WORKERS),
    ("limits/workers", WORKERS),
    ("limits/client-timeout", FIXED),
    ("limits/header-timeout", FIXED),
    ("limits/body-timeout", FIXED),
    ("limits/bodysize", FIXED),
    ("limits/server-idle-timeout", FIXED),
    ("limits/inactivity-timeout", FIXED),
    ("limits/queue-len", FIXED),
    ("limits/max-listeners", "counted in `listeners` of [slots]"),
    ("listen-socket/shoutcast-mount", "`mount` of [shoutcast]"),
    (
        "listen-socket/shoutcast-compat",
        "with a [shoutcast] such sources are understood on this port and the one above",
    ),
    (
        "listen-socket/ssl",
        "TLS is spoken on the same port as plain HTTP, if there is a [tls]",
    ),
    (
        "listen-socket/tls",
        "TLS is spoken on the same port as plain HTTP, if there is a [tls]",
    ),
    ("listen-socket/so-sndbuf", "the kernel chooses"),
    ("listen-socket/so-mss", "the kernel chooses"),
    ("listen-socket/listen-backlog", FIXED),
    ("listen-socket/authentication/*", NOT_HERE),
    ("listen-socket/id", "not needed"),
    ("listen-socket/type", "not needed"),
    ("http-headers/*", HEADERS),
    (
        "roles/*",
        "who may do what stands in [[source]], [relay] and [admin]",
    ),
    ("event-bindings/*", SCRIPT),
    (
        "authentication/role*",
        "who may do what stands in [[source]], [relay] and [admin]",
    ),
    ("directory/*", DIRECTORY),
    ("yp-directory*", DIRECTORY),
    ("paths/basedir", SYSTEMD),
    ("paths/logdir", JOURNAL),
    ("paths/webroot", NO_PAGES),
    ("paths/adminroot", NO_PAGES),
    ("paths/pidfile", SYSTEMD),
    ("paths/deny-ip", ACCESS),
    ("paths/allow-ip", ACCESS),
    ("paths/ban-file", ACCESS),
    (
        "paths/deny-agents",
        "listeners are not refused by their player",
    ),
    (
        "paths/alias",
        "an [[alias]] leads from one mount path to another, not to pages",
    ),
    ("paths/ssl-allowed-ciphers", TLS_1_2),
    ("paths/tls-allowed-ciphers", TLS_1_2),
    ("paths/ssl-cafile", "no certificate is asked of the caller"),
    ("paths/mime-types", NO_PAGES),
    ("paths/reportxmldb", NOT_HERE),
    (
        "paths/geoipdb",
        "the balancer knows places: `geo_files` in balancer.toml",
    ),
    ("paths/nulldevice", NOT_HERE),
    ("paths/preroll-log", JOURNAL),
    ("paths/x-forwarded-for", "`trusted_proxies` of [access]"),
    ("tls-context/tls-allowed-ciphers", TLS_1_2),
    ("logging/accesslog", NO_ADDRESSES),
    ("logging/playlistlog", "titles are not written down"),
    ("logging/*", JOURNAL),
    ("security/*", SYSTEMD),
    ("mount/dump-file", DUMP),
    ("mount/dump-file-size-limit", DUMP),
    ("mount/dump-file-time-limit", DUMP),
    ("mount/fallback-", FALLBACK),
    ("mount/queue-size", SHARED_RING),
    ("mount/min-queue-size", SHARED_RING),
    (
        "mount/source-timeout",
        "`source_timeout_seconds` of the mount, a whole number from 1 on",
    ),
    ("mount/stream-", FROM_THE_SOURCE),
    ("mount/genre", FROM_THE_SOURCE),
    (
        "mount/bitrate",
        "`bitrate_kilobits` of the mount, a whole number",
    ),
    (
        "mount/no-yp",
        "`public = false` of the mount, to be in no directory",
    ),
    ("mount/http-headers/*", HEADERS),
    ("mount/max-listeners", "no limit"),
    ("mount/max-listener-duration", "no limit"),
    ("mount/hidden", "not hidden"),
    ("mount/burst-size", "`burst_seconds` of a [[mount]]"),
    (
        "mount/public",
        "the source says it, unless `public` of the mount does",
    ),
    ("mount/no-mount", "it can be listened to by its name"),
    (
        "mount/allow-direct-access",
        "it can be listened to by its name",
    ),
    (
        "mount/charset",
        "this one is not known here: put one that browsers know into `charset` of the mount",
    ),
    ("mount/mp3-metadata-interval", ICY_INTERVAL),
    ("mount/icy-metadata-interval", ICY_INTERVAL),
    (
        "mount/cluster-password",
        "`cluster_password` of [directory]",
    ),
    (
        "mount/intro",
        "`intro_file` of the mount, with the whole path of a file that is there",
    ),
    (
        "mount/intro-skip-replay",
        "whoever comes hears the `intro_file`, also if he was there before",
    ),
    ("mount/on-connect", SCRIPT),
    ("mount/on-disconnect", SCRIPT),
    ("mount/event-bindings/*", SCRIPT),
    (
        "mount/authentication/*",
        "`htpasswd` or `listener_auth_url` of the mount; the rest of it has no key",
    ),
    (
        "mount/allow-url-ogg-metadata",
        "a title is kept beside the stream: see `titles` of a [[mount]]",
    ),
    (
        "mount/ogg-passthrough",
        "streams are passed on as they come, unless `titles` of the mount is \"chained\"",
    ),
    ("mount/max-history", "titles are not written down"),
    (
        "mount/hijack",
        "who shows the same password may take over from a silent source",
    ),
    (
        "mount/linger-for",
        "`hold_seconds` keeps a mount without its source",
    ),
    (
        "mount/wait-time",
        "`hold_seconds` keeps a mount without its source",
    ),
    (
        "mount/redirect",
        "a balancer does it: see docs/run-a-balancer.md",
    ),
    (
        "mount/redirect-to",
        "a balancer does it: see docs/run-a-balancer.md",
    ),
    (
        "mount/max-bandwidth",
        "`uplink_megabits` is one for all mounts",
    ),
    ("mount/limit-rate", "a stream is sent as fast as it comes"),
    ("mount/ban-client", ACCESS),
    ("mount/filter-theora", "everything in a stream is sent"),
    ("mount/skip-accesslog", NO_ADDRESSES),
    ("mount/max-send-size", "the kernel chooses"),
    ("mount/max-stream-duration", "a source may send for ever"),
    ("mount/priority", "relays come first, then all mounts alike"),
    ("limits/max-bandwidth", "`uplink_megabits`"),
    ("master/*", RELAY),
    (
        "include",
        "put the settings of both files into one, and import that",
    ),
    ("mount/type", "what is sent is looked at, not believed"),
    ("mount/subtype", "what is sent is looked at, not believed"),
];

/// What stands in a mount for all mounts there, and in each `[[mount]]` here; its key.
const OF_EACH_MOUNT: [(&str, &str); 25] = [
    ("stream-name", "name"),
    ("stream-description", "description"),
    ("stream-url", "website"),
    ("genre", "genre"),
    ("bitrate", "bitrate_kilobits"),
    ("public", "public"),
    ("no-yp", "public"),
    ("max-listeners", "max_listeners"),
    ("max-listener-duration", "max_listener_seconds"),
    ("hidden", "hidden"),
    ("no-mount", "only_as_fallback"),
    ("allow-direct-access", "only_as_fallback"),
    ("fallback-mount", "fallback"),
    ("intro", "intro_file"),
    ("dump-file", "dump_file"),
    ("dump-file-size-limit", "dump_megabytes"),
    ("on-connect", "on_connect"),
    ("on-disconnect", "on_disconnect"),
    ("event-bindings", "on_connect"),
    ("http-headers", "headers"),
    ("authentication", "htpasswd` or `listener_auth_url"),
    ("mount-name", "path"),
    ("charset", "charset"),
    ("mp3-metadata-interval", "icy_interval_bytes"),
    ("icy-metadata-interval", "icy_interval_bytes"),
];

/// The key in each `[[mount]]` for a tag that holds for all mounts there.
pub(super) fn key_of_each_mount(tag: &str) -> Option<&'static str> {
    let found = OF_EACH_MOUNT.iter().find(|(name, _)| *name == tag);
    found.map(|(_, key)| *key)
}

/// What to do instead of the tag at this path; `None`: nobody knows it.
pub(super) fn instead(path: &str) -> Option<&'static str> {
    let is_it = |pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => path.starts_with(start) || path == start.trim_end_matches('/'),
        None if pattern.ends_with('-') => path.starts_with(pattern),
        None => path == pattern,
    };
    let exact = INSTEAD.iter().find(|(pattern, _)| *pattern == path);
    let found = exact.or_else(|| INSTEAD.iter().find(|(pattern, _)| is_it(pattern)));
    found.map(|(_, instead)| *instead)
}
