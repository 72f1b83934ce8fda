"""9870 in a browser: what a person does with files."""
import pytest
import requests

from harness import wait_until


@pytest.fixture(scope="module")
def hdfs(raudal):
    """PUT and GET through WebHDFS, to lay out what a test looks at and to see what the page did."""
    class Hdfs:
        base = f"http://{raudal.at('namenode-ui')}/webhdfs/v1"

        def put(self, path, data):
            requests.put(f"{self.base}{path}?op=CREATE&overwrite=true&namenoderpcaddress=x", data=data, timeout=20).raise_for_status()

        def read(self, path):
            return requests.get(f"{self.base}{path}?op=OPEN", timeout=20)

        def stat(self, path):
            return requests.get(f"{self.base}{path}?op=GETFILESTATUS", timeout=20).json().get("FileStatus")

    hdfs = Hdfs()
    hdfs.put("/datos/lecturas.csv", "sensor,valor\n" + "".join(f"s{i},{i}\n" for i in range(20000)))
    hdfs.put("/datos/año/notas.txt", "hola ñandú\n")
    return hdfs


def rows(page):
    return page.locator("tbody tr a[data-row]").all_inner_texts()


def wait_for_rows(page, *names):
    wait_until(lambda: rows(page) == list(names), 15, f"{names}, not {rows(page)}")


def test_the_overview_tells_capacity_and_datanode(show, hdfs):
    page = show("namenode-ui", "dfshealth.html#tab-overview")
    page.get_by_role("heading", name="(active)").wait_for()
    text = page.inner_text("main")
    for word in ("DFS Used", "DFS Remaining", "Blocks", "Live Nodes", "In Service", "Safemode is off.", ":9866"):
        assert word in text, text
    page.get_by_role("link", name="Datanodes").click()
    page.get_by_role("heading", name="Datanodes").wait_for()
    page.get_by_text("Datanode UUID").wait_for()


def test_the_addresses_of_the_real_namenode_open_the_folder(show, picture, hdfs):
    page = show("namenode-ui", "explorer.html#/datos")
    wait_for_rows(page, "año", "lecturas.csv")
    page.get_by_role("link", name="año").click()
    wait_for_rows(page, "notas.txt")
    assert page.url.endswith("explorer.html#/datos/a%C3%B1o")
    page.go_back()
    wait_for_rows(page, "año", "lecturas.csv")
    picture(page, "hdfs-files", chosen=True)
    page.get_by_role("navigation", name="Parent directory").get_by_role("link", name="Root").click()
    page.get_by_role("link", name="datos").wait_for()


def test_what_is_not_there_is_said(show, hdfs):
    page = show("namenode-ui", "explorer.html#/nada")
    page.get_by_text("There is no /nada.").wait_for()


def test_head_and_tail_of_a_file(show, hdfs):
    page = show("namenode-ui", "explorer.html#/datos/lecturas.csv")
    page.get_by_label("Head").get_by_text("sensor,valor").wait_for()
    page.get_by_role("tab", name="Tail").click()
    page.get_by_label("Tail").get_by_text("s19999,19999").wait_for()
    assert "128 MB" in page.inner_text("main") and "-rw-r--r--" in page.inner_text("main")


def test_upload_of_many_files_and_what_exists_is_asked_about(show, hdfs, tmp_path):
    page = show("namenode-ui", "explorer.html#/subidas")
    page.get_by_text("There is no /subidas.").wait_for()
    requests.put(f"{hdfs.base}/subidas?op=MKDIRS", timeout=10)
    page.reload()
    page.get_by_text("This folder is empty.").wait_for()
    contents = {"uno.txt": b"1\n", "dos y más#.txt": b"2\n" * 300000, "vacío.txt": b""}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    page.locator("input[type=file]").set_input_files([tmp_path / name for name in contents])
    wait_until(lambda: len(rows(page)) == 3, 15, "three files")
    for name, content in contents.items():
        assert hdfs.read("/subidas/" + requests.utils.quote(name)).content == content
    (tmp_path / "uno.txt").write_bytes(b"one\n")
    page.locator("input[type=file]").set_input_files([tmp_path / "uno.txt"])
    page.get_by_role("dialog", name="Replace files?").get_by_role("button", name="Replace").click()
    wait_until(lambda: hdfs.read("/subidas/uno.txt").content == b"one\n", 15, "the new content")


def test_download(show, hdfs):
    page = show("namenode-ui", "explorer.html#/datos/año/notas.txt")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "notas.txt"
    with open(download.value.path(), encoding="utf-8") as file:
        assert file.read() == "hola ñandú\n"


def test_new_folder_rename_and_delete(show, hdfs):
    page = show("namenode-ui", "explorer.html#/")
    page.get_by_role("button", name="New folder").click()
    page.get_by_label("Name").fill("nueva/dentro")
    page.get_by_role("button", name="Create").click()
    page.get_by_role("link", name="nueva").wait_for()
    hdfs.put("/nueva/dentro/f.txt", "x" * 5000)
    page.get_by_role("button", name="Actions for nueva").click()
    page.get_by_role("button", name="Rename or move").click()
    page.get_by_label("New path").fill("/vieja")
    page.get_by_role("dialog").get_by_role("button", name="Rename or move").click()
    page.get_by_role("link", name="vieja").wait_for()
    assert hdfs.stat("/nueva") is None and hdfs.stat("/vieja/dentro/f.txt")["length"] == 5000
    page.get_by_role("button", name="Actions for vieja").click()
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog", name="Delete vieja?")
    dialog.get_by_text("files: 1, 4.9 KB").wait_for()
    dialog.get_by_role("button", name="Cancel").click()
    assert hdfs.stat("/vieja") is not None
    page.get_by_role("button", name="Actions for vieja").click()
    page.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    wait_until(lambda: hdfs.stat("/vieja") is None, 10, "the end of /vieja")
    page.get_by_role("link", name="vieja").wait_for(state="detached")


def test_a_rename_onto_something_is_refused_in_words(show, hdfs):
    page = show("namenode-ui", "explorer.html#/datos/año/notas.txt")
    page.get_by_role("button", name="Rename or move").click()
    page.get_by_label("New path").fill("/datos/lecturas.csv")
    page.get_by_role("dialog").get_by_role("button", name="Rename or move").click()
    page.get_by_role("alert").get_by_text("It was not renamed").wait_for()


def test_permissions_owner_and_replication(show, hdfs):
    hdfs.put("/permisos.txt", "x")
    page = show("namenode-ui", "explorer.html#/permisos.txt")
    page.get_by_role("button", name="Permissions and owner").click()
    page.get_by_label("Others: Write").check()
    page.get_by_label("Owner", exact=True).fill("ana")
    page.get_by_label("Replication").fill("3")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("-rw-r--rw-").wait_for()
    stat = hdfs.stat("/permisos.txt")
    assert (stat["permission"], stat["owner"], stat["replication"]) == ("646", "ana", 3)


def test_a_folder_of_many_files_is_searched_ordered_and_paged_by_the_server(show, raudal, hdfs):
    folder = raudal.data / "store" / "muchos"
    folder.mkdir()
    for number in range(2500):
        (folder / f"parte-{number:05}.csv").write_text("x" * (number % 100))
    page = show("namenode-ui", "explorer.html#/muchos")
    page.get_by_text("1–100 of 2,500").wait_for()
    page.get_by_role("button", name="Next page").click()
    page.get_by_text("101–200 of 2,500").wait_for()
    wait_until(lambda: rows(page)[0] == "parte-00100.csv", 10, "the second page")
    page.get_by_role("button", name="Size", exact=True).click()
    wait_until(lambda: rows(page)[:1] and "99" in rows(page)[0], 10, "the largest first")
    page.keyboard.press("/")
    page.keyboard.type("02477")
    wait_for_rows(page, "parte-02477.csv")


def test_it_works_behind_a_path(show, prefixed, hdfs, tmp_path):
    hdfs.put("/proxy/antes.txt", "x")
    page = show("namenode-ui", "explorer.html#/proxy", address=prefixed("namenode-ui"))
    wait_for_rows(page, "antes.txt")
    (tmp_path / "por-el-proxy.txt").write_text("hola")
    page.locator("input[type=file]").set_input_files(tmp_path / "por-el-proxy.txt")
    page.get_by_role("link", name="por-el-proxy.txt").click()
    page.get_by_label("Head").get_by_text("hola").wait_for()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert open(download.value.path()).read() == "hola"
    page.get_by_role("link", name="Overview").click()
    page.get_by_role("heading", name="(active)").wait_for()
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Spark").click()
    page.get_by_role("heading", name="Spark Master at").wait_for()


def test_without_javascript_the_folders_are_links(show, hdfs):
    page = show("namenode-ui", javascript=False)
    page.get_by_role("link", name="Browse Directory").click()
    page.get_by_role("link", name="datos").click()
    page.get_by_role("link", name="año").click()
    assert "notas.txt" in page.inner_text("main")


def test_spanish_on_a_telephone_in_the_dark(show, hdfs):
    page = show("namenode-ui", "explorer.html#/datos", language="es-ES", width=390, height=800, dark=True)
    page.get_by_role("button", name="Carpeta nueva").wait_for()
    wait_for_rows(page, "año", "lecturas.csv")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("getComputedStyle(document.body).color") != "rgb(23, 32, 46)"
