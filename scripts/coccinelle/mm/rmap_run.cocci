// SPDX-License-Identifier: GPL-2.0-only
/// References and mappings of a run of a folio's pages are counted at once:
/// folio_ref_add(), folio_put_refs(), folio_add_anon_rmap_ptes(),
/// folio_try_dup_anon_rmap_ptes(), folio_dup_file_rmap_ptes(),
/// folio_remove_rmap_ptes(). Page by page, each costs its own locked
/// instructions, and the folio may visit the deferred-split queue in between.
///
//# Functions that look for runs are not reported: what they do page by page are
//# the pages that are left. Patch mode rewrites loops that do nothing else; the
//# rmap functions for runs are for large folios, which it can't see.
///
// Confidence: Moderate
// Options: --no-includes --include-headers
// Keywords: page_remove_rmap, folio_remove_rmap_ptes, folio_ref_add

virtual patch
virtual context
virtual org
virtual report

@initialize:python@
@@

RUN = {"page_remove_rmap": "folio_remove_rmap_ptes",
       "page_try_dup_anon_rmap": "folio_try_dup_anon_rmap_ptes",
       "page_dup_file_rmap": "folio_dup_file_rmap_ptes",
       "page_add_anon_rmap": "folio_add_anon_rmap_ptes",
       "folio_remove_rmap_pte": "folio_remove_rmap_ptes",
       "folio_try_dup_anon_rmap_pte": "folio_try_dup_anon_rmap_ptes",
       "folio_dup_file_rmap_pte": "folio_dup_file_rmap_ptes",
       "folio_add_anon_rmap_pte": "folio_add_anon_rmap_ptes",
       "folio_add_file_rmap_pte": "folio_add_file_rmap_ptes",
       "folio_get": "folio_ref_add", "get_page": "folio_ref_add",
       "folio_put": "folio_put_refs", "put_page": "folio_put_refs"}

batched = set()

def alone(positions):
    return all((p.file, p.current_element) not in batched for p in positions)

// ----------------------------------------------------------------------------

@patched depends on patch@
identifier fn, i, folio;
expression n, page, vma;
symbol false;
@@

fn(...)
{
<+...
(
- for (i = 0; i < n; i++)
-	page_remove_rmap(page + i, vma, false);
+ folio_remove_rmap_ptes(page_folio(page), page, n, vma);
|
- for (i = 0; i < n; i++)
-	page_dup_file_rmap(page + i, false, vma);
+ folio_dup_file_rmap_ptes(page_folio(page), page, n, vma);
|
- for (i = 0; i < n; i++)
-	folio_remove_rmap_pte(folio, page + i, vma);
+ folio_remove_rmap_ptes(folio, page, n, vma);
|
- for (i = 0; i < n; i++)
-	folio_get(folio);
+ folio_ref_add(folio, n);
|
- for (i = 0; i < n; i++)
-	folio_put(folio);
+ folio_put_refs(folio, n);
)
...+>
}

// A counter that counts nothing any more.
@depends on patched@
identifier patched.fn, patched.i;
type T;
@@

fn(...)
{
...
- T i;
... when != i
}

// ----------------------------------------------------------------------------

@looks exists@
identifier run = {folio_pte_batch, copy_folio_ptes, zap_folio_ptes, protect_ptes,
		lazyfree_folio_ptes, cold_folio_ptes, unmap_folio_ptes, migrate_folio_ptes,
		restore_folio_ptes, folio_remove_rmap_ptes, folio_try_dup_anon_rmap_ptes,
		folio_dup_file_rmap_ptes, folio_add_anon_rmap_ptes};
position b;
@@

run@b(...)

@script:python@
b << looks.b;
@@

batched.update((p.file, p.current_element) for p in b)

// From page to page.
@pages depends on !patch exists@
identifier i, page;
identifier f = {page_remove_rmap, page_try_dup_anon_rmap, page_dup_file_rmap,
		page_add_anon_rmap, folio_remove_rmap_pte,
		folio_try_dup_anon_rmap_pte, folio_dup_file_rmap_pte,
		folio_add_anon_rmap_pte, folio_add_file_rmap_pte};
position pp;
@@

(
for (...;...; <+... i++ ...+>) {
	... when any
	f@pp(..., <+... i ...+>, ...)
	... when any
}
|
for (...;...; <+... i++ ...+>)
	f@pp(..., <+... i ...+>, ...);
|
for (...;...; <+... page++ ...+>) {
	... when any
	f@pp(..., page, ...)
	... when any
}
)

// From PTE to PTE; there is no pattern for do-while.
@ptes depends on !patch exists@
typedef pte_t;
pte_t *ptep;
identifier f = {page_remove_rmap, page_try_dup_anon_rmap, page_dup_file_rmap,
		page_add_anon_rmap, folio_remove_rmap_pte,
		folio_try_dup_anon_rmap_pte, folio_dup_file_rmap_pte,
		folio_add_anon_rmap_pte, folio_add_file_rmap_pte};
position pt : script:python() { alone(pt) };
position q != pages.pp;
@@

f@pt@q(...)
... when any
    when != ptep = ...
ptep++

// References, to the same folio again and again.
@refs depends on !patch@
identifier i, folio;
identifier f = {folio_get, folio_put, get_page, put_page};
position r;
@@

for (...;...; i++)
	f@r(folio);

@depends on context@
identifier pages.f;
position pages.pp;
@@

* f@pp(...)

@depends on context@
identifier ptes.f;
position ptes.pt;
@@

* f@pt(...)

@depends on context@
identifier refs.f;
position refs.r;
@@

* f@r(...)

// ----------------------------------------------------------------------------

@script:python depends on org@
p << pages.pp;
f << pages.f;
@@

coccilib.org.print_todo(p[0], "WARNING %s() for each page of a folio, use %s()" % (f, RUN[f]))

@script:python depends on org@
p << ptes.pt;
f << ptes.f;
@@

coccilib.org.print_todo(p[0], "WARNING %s() for each PTE, look for runs: folio_pte_batch(), %s()" % (f, RUN[f]))

@script:python depends on org@
p << refs.r;
f << refs.f;
@@

coccilib.org.print_todo(p[0], "WARNING %s() in a loop, use %s()" % (f, RUN[f]))

@script:python depends on report@
p << pages.pp;
f << pages.f;
@@

coccilib.report.print_report(p[0], "WARNING: %s() for each page of a folio, use %s()" % (f, RUN[f]))

@script:python depends on report@
p << ptes.pt;
f << ptes.f;
@@

coccilib.report.print_report(p[0], "WARNING: %s() for each PTE, look for runs: folio_pte_batch(), %s()" % (f, RUN[f]))

@script:python depends on report@
p << refs.r;
f << refs.f;
@@

coccilib.report.print_report(p[0], "WARNING: %s() in a loop, use %s()" % (f, RUN[f]))
