# Parts of ./dev that tools/test.py uses too; sourced at the project's top.

install_packages() {
    tools/install-packages.sh "$@"
}

# build [FOLDER [MESON OPTIONS…]]: sets the folder up once and brings it up to date.
build() {
    folder=${1:-build}
    [ $# = 0 ] || shift
    install_packages build
    if [ ! -f "$folder/build.ninja" ]; then
        if command -v ccache >/dev/null && [ -z "${CC:-}" ]; then
            CC="ccache gcc" meson setup "$folder" "$@"
        else
            meson setup "$folder" "$@"
        fi
    fi
    ninja -C "$folder"
}
