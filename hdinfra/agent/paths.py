"""Where things lie on a machine; base and agent agree here."""

BASE = "/etc/hdinfra"
POLICY = f"{BASE}/policy"  # wholly owned by the Applier: what no document asks for is removed
STATE = "/var/lib/hdinfra"
DOCUMENT = f"{STATE}/policy.json"
APPLYING = f"{STATE}/applying"  # there while an apply is under way; left behind, the next one reloads everything
STAGE = f"{STATE}/stage"
LOCK = "/run/lock/hdinfra.lock"
IDENTITY = f"{BASE}/identity.json"
SYSCTLS = "/etc/sysctl.d/60-hdinfra.conf"
AUDIT_LOGS = "/var/log/hdinfra"
ORIGIN_SOCKETS = "/run/hdinfra-origins"
LEDGER = "/var/lib/hdinfra-lab/numbers"
LAB_HOSTS = f"{POLICY}/lab/hosts"
HEALTH_HOST = "waf.hdinfra.internal"
