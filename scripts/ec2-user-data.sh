#!/usr/bin/env bash
# Makes a server of a fresh cloud instance: paste it as user data (cloud-init runs it
# once, as root), or run it by hand; again and again if you like.  Amazon Linux 2023,
# Debian 12 and later, Ubuntu 24.04.
#
# Set what is yours here, or in the environment (not as SHOONYA_…: those are settings):
set -euo pipefail

: "${SERVER_REPOSITORY:=}"     # to clone; needed unless this script lies in a clone
: "${SERVER_REVISION:=main}"   # branch, tag or commit of it
: "${SERVER_DOMAIN:=}"         # the server's name, for TLS; empty: no proxy
: "${SERVER_EMAIL:=}"          # Let's Encrypt writes there; empty: self-signed
: "${SERVER_TIMEZONE:=Asia/Kolkata}" # of log lines; market rules are India's anyhow

# Those that TradingView's webhooks come from; their help page has the present ones:
# https://www.tradingview.com/support/solutions/43000529348
TRADINGVIEW=(52.89.214.238 34.212.75.30 54.218.53.128 52.32.178.7)

source_dir=/opt/shoonya/source
tls=/etc/shoonya/tls
webroot=/var/www/acme

say() { echo "ec2-user-data: $*" >&2; }
die() { say "error: $*"; exit 1; }
[[ $(id -u) == 0 ]] || die "run it as root"
[[ $SERVER_DOMAIN =~ ^[A-Za-z0-9.-]*$ ]] || die "'$SERVER_DOMAIN' is no host name"
# cloud-init gives no home, which git and pip look for.
export HOME=${HOME:-/root} DEBIAN_FRONTEND=noninteractive

# At its first boot a server installs its own updates, with the locks held for minutes.
when_unlocked() {
    local said deadline=$((SECONDS + 1800))
    until said=$(LC_ALL=C "$@" 2>&1); do
        [[ $said =~ Could\ not\ get\ lock|Unable\ to\ (acquire|lock)|(is|was)\ locked\ by &&
            $SECONDS -lt $deadline ]] || die "$* failed: $said"
        say "waiting, as another process is installing packages"
        sleep 10
    done
}

packages() {
    if command -v apt-get >/dev/null; then
        when_unlocked apt-get update -qq
        when_unlocked apt-get install -yqq --no-install-recommends "$@"
    elif command -v dnf >/dev/null; then
        dnf install -yq "$@" # waits by itself
    else
        die "neither apt-get nor dnf is here"
    fi
}

# Half a gigabyte runs the eight; building and the system's own updates need more.
add_swap() {
    local memory_kb
    memory_kb=$(awk '/^MemTotal:/ {print $2}' /proc/meminfo)
    [[ $memory_kb -lt 1900000 && $(swapon --show --noheadings | wc -l) == 0 ]] || return 0
    say "adding 1 GB of swap"
    if [[ ! -e /swapfile ]]; then
        dd if=/dev/zero of=/swapfile.new bs=1M count=1024 status=none
        chmod 600 /swapfile.new
        mkswap -q /swapfile.new
        mv /swapfile.new /swapfile
    fi
    grep -q '^/swapfile ' /etc/fstab || echo '/swapfile none swap sw 0 0' >>/etc/fstab
    swapon /swapfile || say "no swap here, going on without"
}

set_up_machine() {
    say "clock, journal and zone"
    timedatectl set-timezone "$SERVER_TIMEZONE" || say "the zone stays as it is"
    mkdir -p /etc/systemd/journald.conf.d
    printf '[Journal]\nStorage=persistent\nSystemMaxUse=1G\n' \
        >/etc/systemd/journald.conf.d/zz-shoonya.conf
    systemctl restart systemd-journald
    journalctl --flush
    if ! systemctl is-active -q chronyd chrony systemd-timesyncd; then
        packages chrony
    fi
}

get_source() {
    local here
    here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
    if [[ -z $SERVER_REPOSITORY && -x $here/install ]]; then
        source_dir=$(dirname "$here")
        return
    fi
    [[ -n $SERVER_REPOSITORY ]] || die "set SERVER_REPOSITORY to clone from"
    packages git
    if [[ ! -d $source_dir/.git ]]; then
        mkdir -p "$(dirname "$source_dir")"
        git clone -q "$SERVER_REPOSITORY" "$source_dir"
    fi
    git -C "$source_dir" fetch -q --tags origin "$SERVER_REVISION"
    git -C "$source_dir" checkout -q --detach FETCH_HEAD
}

# Every night, before the market opens; 30 of them are kept.
add_backups() {
    cat >/etc/systemd/system/shoonya-backup.service <<'END'
[Unit]
Description=Back up the orders and the configuration of Shoonya

[Service]
Type=oneshot
ExecStart=/opt/shoonya/venv/bin/shoonyactl backup --keep 30
END
    cat >/etc/systemd/system/shoonya-backup.timer <<'END'
[Unit]
Description=Back up Shoonya every night

[Timer]
OnCalendar=*-*-* 03:30 Asia/Kolkata
Persistent=yes

[Install]
WantedBy=timers.target
END
    systemctl daemon-reload
    systemctl enable -q --now shoonya-backup.timer
}

# A certificate of our own until the real one is there, so that nginx can start.
make_certificate() {
    mkdir -p "$tls" "$webroot"
    [[ ! -e $tls/cert.pem || ! -e $tls/key.pem ]] || return 0
    (umask 077 && openssl req -x509 -newkey rsa:2048 -nodes -days 825 \
        -subj "/CN=$SERVER_DOMAIN" -addext "subjectAltName=DNS:$SERVER_DOMAIN" \
        -keyout "$tls/key.pem" -out "$tls/cert.pem" 2>/dev/null)
}

write_site() {
    local site=/etc/nginx/conf.d/shoonya.conf address
    {
        cat <<END
# TradingView's alerts, and nothing else; written by ec2-user-data.sh.
limit_req_zone \$binary_remote_addr zone=shoonya:1m rate=20r/s;

server {
    listen 80;
    server_name $SERVER_DOMAIN;
    location /.well-known/acme-challenge/ { root $webroot; }
    location / { return 404; }
}

server {
    listen 443 ssl;
    server_name $SERVER_DOMAIN;
    server_tokens off;
    ssl_certificate $tls/cert.pem;
    ssl_certificate_key $tls/key.pem;
    ssl_protocols TLSv1.2 TLSv1.3;

    location = /webhook {
END
        for address in "${TRADINGVIEW[@]}"; do
            echo "        allow $address;"
        done
        cat <<'END'
        # This machine itself, for trying.
        allow 127.0.0.1;
        deny all;
        limit_except POST { deny all; }
        limit_req zone=shoonya burst=40 nodelay;
        client_max_body_size 64k;
        proxy_pass http://127.0.0.1:5000;
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $remote_addr;
        # TradingView waits three seconds; nobody is helped by an answer after that.
        proxy_connect_timeout 3s;
        proxy_read_timeout 10s;
        # Never a second time by ourselves: TradingView repeats what it has to.
        proxy_next_upstream off;
    }
    location / { return 404; }
}
END
    } >"$site.new"
    mv "$site.new" "$site"
    # Debian's welcome page would answer for other names.
    rm -f /etc/nginx/sites-enabled/default
}

add_proxy() {
    say "nginx with TLS for $SERVER_DOMAIN"
    packages nginx openssl
    make_certificate
    write_site
    nginx -t -q || die "nginx refuses its configuration"
    systemctl enable -q nginx
    systemctl reload-or-restart nginx
    [[ -n $SERVER_EMAIL ]] || return 0
    if packages certbot && certbot certonly -n -q --agree-tos -m "$SERVER_EMAIL" \
        --webroot -w "$webroot" -d "$SERVER_DOMAIN" \
        --deploy-hook "systemctl reload nginx"; then
        ln -sf "/etc/letsencrypt/live/$SERVER_DOMAIN/fullchain.pem" "$tls/cert.pem"
        ln -sf "/etc/letsencrypt/live/$SERVER_DOMAIN/privkey.pem" "$tls/key.pem"
        systemctl reload nginx
        systemctl enable -q --now certbot.timer 2>/dev/null ||
            systemctl enable -q --now certbot-renew.timer
    else
        say "no certificate yet: the self-signed one stays, which TradingView refuses"
        say "once the name points here and port 80 is open, run this again"
    fi
}

add_swap
set_up_machine
get_source
"$source_dir/scripts/install" </dev/null
add_backups
[[ -z $SERVER_DOMAIN ]] || add_proxy
shoonyactl doctor || say "see above what the doctor would mend"
say "done"
