say() {
    echo "by hand: $*" >&2
}

die() {
    say "$@"
    exit 1
}

# beneath PATH: sets $at to where that lies in the root. Links of the image lead nowhere else.
beneath() {
    at=$root rest=$1 links=0
    while [ -n "$rest" ]; do
        case $rest in
        */*) part=${rest%%/*} rest=${rest#*/} ;;
        *) part=$rest rest= ;;
        esac
        case $part in
        '' | .) ;;
        ..) [ "$at" = "$root" ] || at=${at%/*} ;;
        *)
            if [ -L "$at/$part" ]; then
                links=$((links + 1))
                [ "$links" -le 40 ] || die "too many links in $1"
                to=$(readlink -n -- "$at/$part" && echo .)
                case $to in /*) at=$root ;; esac
                rest=${to%.}/$rest
            else
                at=$at/$part
            fi
            ;;
        esac
    done
}

# directory PATH, file PATH: sets $at, and makes what is missing there.
directory() {
    beneath "$1"
    mkdir -p -- "$at"
}

file() {
    beneath "$1"
    mkdir -p -- "${at%/*}"
    [ -e "$at" ] || : >"$at"
}

# attributes PATH WORDS: sets these of a bind mount, and keeps the others that it has.
attributes() {
    now=$(findmnt -nro VFS-OPTIONS --mountpoint "$1" | tail -n 1)
    mount -o "remount,bind,$now,$2" -- "$1"
}

# overlay NUMBER PATH OPTIONS: one over the machine's own directory, whose changes are thrown away.
overlay() {
    mkdir "$dir/scratch/$1" "$dir/scratch/$1/upper" "$dir/scratch/$1/work"
    ln -s "$2" "$dir/scratch/$1/lower"
    chmod --reference "$2" "$dir/scratch/$1/upper"
    chown "${owner:---reference=$2}" "$dir/scratch/$1/upper" 2>/dev/null || :
    beneath "$2"
    mount -t overlay -o "nodev,lowerdir=$dir/scratch/$1/lower,upperdir=$dir/scratch/$1/upper,workdir=$dir/scratch/$1/work,$3" overlay "$at"
}

# hide PATH: nothing is seen there any more.
hide() {
    beneath "$1"
    if [ -d "$at" ]; then
        if [ -z "${hidden-}" ]; then
            mount -t tmpfs -o nosuid,nodev,noexec,size=4k,nr_inodes=1 none "$at"
            mount -o remount,bind,ro,nosuid,nodev,noexec "$at"
            hidden=$at
        else
            mount --bind "$hidden" "$at"
        fi
    elif [ -e "$at" ]; then
        mount --bind /dev/null "$at"
        attributes "$at" ro,nosuid,noexec
    fi
}

# protect PATH: nothing is written there any more.
protect() {
    beneath "$1"
    [ -e "$at" ] || return 0
    mount --bind "$at" "$at"
    attributes "$at" ro
}
