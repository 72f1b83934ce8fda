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
    elif [ "$(ls src/*/meson.build)" != "$(cat "$folder/folders.txt" 2>/dev/null)" ]; then
        # src/meson.build takes up the folders that it finds; ninja alone does not notice a new one.
        meson setup --reconfigure "$folder" > /dev/null
    fi
    ls src/*/meson.build > "$folder/folders.txt"
    ninja -C "$folder"
}
