// SPDX-License-Identifier: GPL-2.0-only
/*
 * Large folios for anonymous memory: which size, for whom, and the fault.
 *
 * The administrator's interface is in large_anon_folio_sysfs.c. The design is
 * explained in Documentation/mm/large_anon_folio.rst.
 */
#include <linux/large_anon_folio.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/oom.h>
#include <linux/pte_batch.h>
#include <linux/rmap.h>
#include <linux/sched/coredump.h>
#include <linux/sizes.h>
#include <linux/swap.h>
#include <linux/userfaultfd_k.h>

#include "internal.h"

/* ------------------------------------------------------------------ data */

unsigned long huge_anon_orders_always __read_mostly;
unsigned long huge_anon_orders_inherit __read_mostly;
unsigned long huge_anon_orders_madvise __read_mostly;
enum anon_folio_policy anon_folio_policy __read_mostly;

/*
 * Serialises writers of the three sets, so that an order is in one of them at
 * most once they are done. Readers take no lock.
 */
static DEFINE_SPINLOCK(huge_anon_orders_lock);

DEFINE_PER_CPU(struct mthp_stat, mthp_stats);

/* Orders up to 64 KiB, or one page if that is more */
#define ANON_FOLIO_UNHINTED_ORDERS \
	(PAGE_SHIFT < 16 ? BIT(16 - PAGE_SHIFT + 1) - 1 : 0)

/* ---------------------------------------------------------------- policy */

/**
 * anon_folio_default_orders - Orders that are at "inherit" after boot.
 * @wanted: What arch_wants_pte_order() says.
 *
 * Every order up to the one that the hardware likes: a fault near the edge of a
 * VMA or beside a populated page then still gets the largest that fits. At
 * least up to PAGE_ALLOC_COSTLY_ORDER, to which the page allocator tries hard
 * in any case. And the PMD's, as stock has it.
 *
 * Context: Any.
 * Return: The set of orders.
 */
unsigned long anon_folio_default_orders(int wanted)
{
	int preferred = max_t(int, wanted, PAGE_ALLOC_COSTLY_ORDER);
	unsigned long orders = BIT(preferred + 1) - 1;

	return (orders & THP_ORDERS_PTE_ANON) | BIT(HPAGE_PMD_ORDER);
}

/* What the sizes at "inherit" come to: see the tables in the documentation */
static unsigned long orders_inherited(const struct anon_folio_settings *settings,
				      bool hinted)
{
	bool eligible = settings->global == ANON_FOLIO_ALWAYS ||
			(settings->global == ANON_FOLIO_MADVISE && hinted);

	if (eligible)
		return settings->policy == ANON_FOLIO_SMALL ?
			THP_ORDERS_PTE_ANON : THP_ORDERS_ALL_ANON;

	/*
	 * This memory did not opt in. What it may get nevertheless is capped,
	 * which caps what it can waste.
	 */
	switch (settings->policy) {
	case ANON_FOLIO_UNHINTED:
		if (settings->global == ANON_FOLIO_NEVER)
			return 0;
		fallthrough;
	case ANON_FOLIO_INDEPENDENT:
		return THP_ORDERS_PTE_ANON & ANON_FOLIO_UNHINTED_ORDERS;
	default:
		return 0;
	}
}

/**
 * anon_folio_orders_by_settings - What the settings allow memory to have.
 * @settings: The settings.
 * @vm_flags: VM_HUGEPAGE and VM_NOHUGEPAGE are the VMA's hints.
 *
 * The one place that knows the policies. Whether the VMA can have large folios
 * at all is anon_folio_orders()' business.
 *
 * Context: Any.
 * Return: The set of orders, with the PMD's if that is allowed.
 */
unsigned long anon_folio_orders_by_settings(const struct anon_folio_settings *settings,
					    unsigned long vm_flags)
{
	bool hinted = vm_flags & VM_HUGEPAGE;
	unsigned long orders;

	if (vm_flags & VM_NOHUGEPAGE)
		return 0;

	orders = settings->always;
	if (hinted)
		orders |= settings->madvise;
	if (settings->inherit)
		orders |= settings->inherit & orders_inherited(settings, hinted);

	return orders & THP_ORDERS_ALL_ANON;
}

/**
 * anon_folio_read_settings - The settings of this moment.
 * @settings: Filled in.
 *
 * Context: Any. Each setting is read once; a change meanwhile may be seen in
 * part, as by a fault that began before it.
 */
void anon_folio_read_settings(struct anon_folio_settings *settings)
{
	unsigned long flags = READ_ONCE(transparent_hugepage_flags);

	settings->always = READ_ONCE(huge_anon_orders_always);
	settings->inherit = READ_ONCE(huge_anon_orders_inherit);
	settings->madvise = READ_ONCE(huge_anon_orders_madvise);
	settings->policy = READ_ONCE(anon_folio_policy);

	if (flags & BIT(TRANSPARENT_HUGEPAGE_FLAG))
		settings->global = ANON_FOLIO_ALWAYS;
	else if (flags & BIT(TRANSPARENT_HUGEPAGE_REQ_MADV_FLAG))
		settings->global = ANON_FOLIO_MADVISE;
	else
		settings->global = ANON_FOLIO_NEVER;
}

/**
 * anon_folio_orders - The folio orders that a VMA may have by itself.
 * @vma: The VMA.
 * @vm_flags: The flags to judge by; a caller may be about to change the VMA's.
 *
 * userfaultfd promises its user one event for each page, hence single pages. The
 * PMD size is left to stock's huge page fault, which knows about userfaultfd.
 *
 * Context: mmap_lock held, for reading at least: it keeps the VMA's flags, and
 * with them the userfaultfd's, as they are.
 * Return: The set of orders, with the PMD's if a PMD leaf is allowed; empty for
 * memory that gets single pages.
 */
unsigned long anon_folio_orders(struct vm_area_struct *vma,
				unsigned long vm_flags)
{
	struct anon_folio_settings settings;
	unsigned long orders;

	if (!vma->vm_mm || !vma_is_anonymous(vma) ||
	    (vm_flags & VM_NO_KHUGEPAGED) || vma_is_temporary_stack(vma) ||
	    test_bit(MMF_DISABLE_THP, &vma->vm_mm->flags))
		return 0;

	anon_folio_read_settings(&settings);
	orders = anon_folio_orders_by_settings(&settings, vm_flags);
	if (!has_transparent_hugepage())
		orders &= ~BIT(HPAGE_PMD_ORDER);
	if (userfaultfd_armed(vma))
		orders &= ~THP_ORDERS_PTE_ANON;

	return orders;
}

/**
 * huge_anon_order_set - Set what one size may be used for.
 * @order: Order of the size, from ANON_FOLIO_MIN_ORDER to the PMD's.
 * @enabled: The new setting.
 *
 * Context: Any. The setting holds for faults that begin from now on.
 */
void huge_anon_order_set(int order, enum anon_folio_enabled enabled)
{
	static unsigned long * const sets[] = {
		[ANON_FOLIO_ALWAYS] = &huge_anon_orders_always,
		[ANON_FOLIO_INHERIT] = &huge_anon_orders_inherit,
		[ANON_FOLIO_MADVISE] = &huge_anon_orders_madvise,
	};
	int i;

	spin_lock(&huge_anon_orders_lock);
	if (enabled != ANON_FOLIO_NEVER)
		set_bit(order, sets[enabled]);
	for (i = 0; i < ARRAY_SIZE(sets); i++)
		if (i != enabled)
			clear_bit(order, sets[i]);
	spin_unlock(&huge_anon_orders_lock);
}

/**
 * huge_anon_order_get - What one size may be used for.
 * @order: Order of the size.
 *
 * Context: Any.
 * Return: The setting.
 */
enum anon_folio_enabled huge_anon_order_get(int order)
{
	if (test_bit(order, &huge_anon_orders_always))
		return ANON_FOLIO_ALWAYS;
	if (test_bit(order, &huge_anon_orders_inherit))
		return ANON_FOLIO_INHERIT;
	if (test_bit(order, &huge_anon_orders_madvise))
		return ANON_FOLIO_MADVISE;
	return ANON_FOLIO_NEVER;
}

/**
 * sum_mthp_stat - Read a counter.
 * @order: Order of the folio size.
 * @item: Which counter.
 *
 * Context: Any.
 * Return: The sum over all CPUs, offline ones too.
 */
unsigned long sum_mthp_stat(int order, enum mthp_stat_item item)
{
	unsigned long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(mthp_stats.stats[order][item], cpu));

	return sum;
}

/* ------------------------------------------------------- order selection */

/**
 * thp_vma_suitable_orders - Orders whose aligned block around an address fits.
 * @vma: An anonymous VMA.
 * @addr: An address in @vma.
 * @orders: The orders to choose from.
 *
 * A block that leaves the VMA at one order leaves it at every larger one, so
 * that only the largest that fits is looked for.
 *
 * Context: mmap_lock held, for reading at least.
 * Return: The orders in @orders whose naturally aligned block is in @vma.
 */
unsigned long thp_vma_suitable_orders(struct vm_area_struct *vma,
				      unsigned long addr, unsigned long orders)
{
	while (orders) {
		int order = highest_order(orders);
		unsigned long size = PAGE_SIZE << order;
		unsigned long start = ALIGN_DOWN(addr, size);

		/* Written so that a block at the top of memory can't wrap */
		if (start >= vma->vm_start && vma->vm_end - start >= size)
			break;
		next_order(&orders, order);
	}

	return orders;
}

/**
 * anon_folio_eligible - Can some of a VMA be mapped by a large folio?
 * @vma: The VMA.
 *
 * For THPeligible in smaps, which in 6.12 is about all sizes.
 *
 * Context: mmap_lock held, for reading at least.
 * Return: True if the settings allow an order with an aligned block in @vma.
 */
bool anon_folio_eligible(struct vm_area_struct *vma)
{
	unsigned long orders = anon_folio_orders(vma, vma->vm_flags);
	unsigned long start, size;

	if (!orders)
		return false;

	/* If the smallest does not fit, none does */
	size = PAGE_SIZE << __ffs(orders);
	start = ALIGN(vma->vm_start, size);

	return start < vma->vm_end && vma->vm_end - start >= size;
}

/**
 * pte_range_none - Are all entries of a range empty?
 * @pte: The first entry.
 * @nr_pages: Number of entries, all in one page table: a multiple of 4, as all
 *	orders of large folios are.
 *
 * Context: With the page table lock held the answer is sure; without, it is a
 * hint, and the caller asks again under the lock.
 * Return: True if no entry holds anything.
 */
bool pte_range_none(pte_t *pte, int nr_pages)
{
	pte_t *end = pte + nr_pages;

	while (pte < end && four_ptes_none(pte))
		pte += 4;

	return pte == end;
}

/**
 * anon_fault_orders - The orders that a PTE-mapped folio may have at a fault.
 * @vmf: The fault: its page table exists.
 *
 * Settings and hints, then the VMA's bounds, then the entries that are taken:
 * each leaves out orders. What is left is tried from the largest down.
 *
 * Context: mmap_lock held for reading, so that the page table stays.
 * Return: The set of orders; empty if it has to be a single page.
 */
unsigned long anon_fault_orders(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long orders;
	pte_t *table;

	orders = anon_folio_orders(vma, vma->vm_flags) & THP_ORDERS_PTE_ANON;
	orders = thp_vma_suitable_orders(vma, vmf->address, orders);
	if (!orders)
		return 0;

	table = pte_offset_map(vmf->pmd, vmf->address & PMD_MASK);
	while (orders) {
		int order = highest_order(orders);
		unsigned long start = ALIGN_DOWN(vmf->address, PAGE_SIZE << order);

		if (pte_range_none(table + pte_index(start), 1 << order))
			break;
		next_order(&orders, order);
	}
	pte_unmap(table);

	return orders;
}

/* ------------------------------------------------------------ allocation */

/*
 * The page allocator's flags for large folios. A large folio is never worth the
 * OOM killer: __GFP_NORETRY keeps an allocation out of it, which up to
 * PAGE_ALLOC_COSTLY_ORDER nothing else would, and a charge too.
 */
static gfp_t anon_folio_gfp(struct vm_area_struct *vma)
{
	gfp_t gfp = vma_thp_gfp_mask(vma) | __GFP_NORETRY;

	/* Zeroes the MTE tags of each page, and the page with them */
	if (vma->vm_flags & VM_MTE)
		gfp |= __GFP_ZERO | __GFP_ZEROTAGS;

	return gfp;
}

#ifndef clear_user_pages
/* Zero @nr pages that follow each other; @vaddr is where users will find them */
static void clear_user_pages(void *kaddr, unsigned long vaddr, struct page *page,
			     unsigned int nr)
{
	for (; nr; nr--, kaddr += PAGE_SIZE, vaddr += PAGE_SIZE, page++)
		clear_user_page(kaddr, vaddr, page);
}
#endif

/* The same, with a chance to let others run after each 64 KiB */
static void clear_anon_pages(void *kaddr, unsigned long vaddr, struct page *page,
			     unsigned int nr)
{
	const unsigned int at_once = max_t(unsigned int, SZ_64K >> PAGE_SHIFT, 1);

	for (; nr > at_once; nr -= at_once) {
		clear_user_pages(kaddr, vaddr, page, at_once);
		kaddr += at_once * PAGE_SIZE;
		vaddr += at_once * PAGE_SIZE;
		page += at_once;
		cond_resched();
	}
	clear_user_pages(kaddr, vaddr, page, nr);
}

/*
 * Zero a new folio, the page of the fault last, so that it is in the cache. The
 * others in the order of their addresses, from the one after it around: that is
 * the order in which they are likely to be used.
 */
static void clear_anon_folio(struct folio *folio, int order, unsigned long address)
{
	const unsigned int nr_pages = 1U << order;
	const unsigned long vaddr = ALIGN_DOWN(address, nr_pages * PAGE_SIZE);
	const unsigned int next = ((address - vaddr) >> PAGE_SHIFT) + 1;
	/* Without high memory, pages follow each other in these addresses, too */
	void *kaddr = folio_address(folio);

	BUILD_BUG_ON(IS_ENABLED(CONFIG_HIGHMEM));

	if (next < nr_pages)
		clear_anon_pages(kaddr + next * PAGE_SIZE, vaddr + next * PAGE_SIZE,
				 &folio->page + next, nr_pages - next);
	clear_anon_pages(kaddr, vaddr, &folio->page, next);
}

/**
 * alloc_anon_folio - Allocate, charge and zero the folio of a fault.
 * @vmf: The fault.
 * @orders: Orders to try, from the largest down.
 *
 * Context: mmap_lock held for reading. May sleep.
 * Return: The folio, or NULL if none of the orders could be had.
 */
struct folio *alloc_anon_folio(struct vm_fault *vmf, unsigned long orders)
{
	struct vm_area_struct *vma = vmf->vma;
	gfp_t gfp = anon_folio_gfp(vma);

	while (orders) {
		int order = highest_order(orders);
		struct folio *folio;

		folio = vma_alloc_folio(gfp, order, vma,
					ALIGN_DOWN(vmf->address, PAGE_SIZE << order),
					false);
		if (folio) {
			if (!mem_cgroup_charge(folio, vma->vm_mm, gfp)) {
				cgroup_throttle_swaprate(&folio->page, gfp);
				/* The allocator may have zeroed it already */
				if (!want_init_on_alloc(gfp))
					clear_anon_folio(folio, order, vmf->address);
				return folio;
			}
			count_mthp_stat(order,
					MTHP_STAT_ANON_FAULT_FALLBACK_CHARGE);
			folio_put(folio);
		}
		count_mthp_stat(order, MTHP_STAT_ANON_FAULT_FALLBACK);
		next_order(&orders, order);
	}

	return NULL;
}

/* -------------------------------------------------------- deferred split */

/**
 * deferred_split_if_partly_mapped - Queue a folio that is left in part.
 * @folio: A folio whose migration entries were just turned into mappings again,
 *	or that reclaim just unmapped.
 *
 * Migration, and a split that failed, unmap all of a folio and map it again,
 * it or its copy. What was unmapped before, or was zapped as a migration entry
 * meanwhile, does not come back: the folio waits for the shrinker then. So does
 * one of which reclaim could unmap but a part. The rmap functions can't tell;
 * they would queue every folio.
 *
 * Context: The folio is locked. Takes the split queue's lock.
 */
void deferred_split_if_partly_mapped(struct folio *folio)
{
	long i, nr_pages = folio_nr_pages(folio);
	long nr_mapped = 0;

	if (!folio_test_large(folio) || !folio_test_anon(folio) ||
	    folio_test_hugetlb(folio) || !folio_mapped(folio) ||
	    folio_entire_mapcount(folio))
		return;

	for (i = 0; i < nr_pages; i++)
		if (atomic_read(&folio_page(folio, i)->_mapcount) >= 0)
			nr_mapped++;

	if (nr_mapped && nr_mapped < nr_pages)
		deferred_split_huge_page(&folio->page);
}

/* ----------------------------------------------------------------- fault */

/* Make a new folio part of the address space, under the page table lock */
static void map_anon_folio(struct vm_fault *vmf, struct folio *folio, long nr_pages,
			   unsigned long addr)
{
	struct vm_area_struct *vma = vmf->vma;
	pte_t entry;
	long i;

	entry = mk_pte(&folio->page, vma->vm_page_prot);
	entry = pte_sw_mkyoung(entry);
	if (vma->vm_flags & VM_WRITE)
		entry = pte_mkwrite(pte_mkdirty(entry));

	/* One reference for each PTE; the first is the allocation's */
	folio_ref_add(folio, nr_pages - 1);
	add_mm_counter(vma->vm_mm, MM_ANONPAGES, nr_pages);
	folio_add_new_anon_rmap(folio, vma, addr);
	folio_add_lru_vma(folio, vma);

	set_ptes(vma->vm_mm, addr, vmf->pte, entry, nr_pages);
	/* No need to invalidate: the entries were empty */
	for (i = 0; i < nr_pages; i++)
		update_mmu_cache(vma, addr + i * PAGE_SIZE, vmf->pte + i);
}

/**
 * __do_anonymous_large_folio - Out of line part of do_anonymous_large_folio().
 * @vmf: The fault: its page table exists, vmf->pte is not mapped yet.
 *
 * Context: mmap_lock held for reading, the VMA has its anon_vma. May sleep.
 * Return: VM_FAULT_FALLBACK if a single page has to serve the fault, else the
 * result of the fault.
 */
vm_fault_t __do_anonymous_large_folio(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long addr, orders;
	struct folio *folio;
	vm_fault_t ret = 0;
	long nr_pages;
	int order;

	orders = anon_fault_orders(vmf);
	if (!orders)
		return VM_FAULT_FALLBACK;

	folio = alloc_anon_folio(vmf, orders);
	if (!folio)
		return VM_FAULT_FALLBACK;

	/* What folio_order() says of a large one */
	order = folio->_folio_order;
	nr_pages = 1L << order;
	addr = ALIGN_DOWN(vmf->address, PAGE_SIZE << order);

	/*
	 * The barrier in here makes the zeroes visible before the PTEs that
	 * map_anon_folio() writes.
	 */
	__folio_mark_uptodate(folio);

	vmf->pte = pte_offset_map_lock(vma->vm_mm, vmf->pmd, addr, &vmf->ptl);
	if (!pte_range_none(vmf->pte, nr_pages)) {
		/*
		 * Another thread was faster with one of the entries. If it was
		 * ours, the fault is done; if not, the next try takes a smaller
		 * order. It can't go on for ever: there are only so many.
		 */
		update_mmu_tlb(vma, vmf->address,
			       vmf->pte + ((vmf->address - addr) >> PAGE_SHIFT));
		goto release;
	}

	/* The OOM reaper may have begun to unmap: don't add zeroes behind it */
	ret = check_stable_address_space(vma->vm_mm);
	if (ret)
		goto release;

	map_anon_folio(vmf, folio, nr_pages, addr);
	count_mthp_stat(order, MTHP_STAT_ANON_FAULT_ALLOC);
	pte_unmap_unlock(vmf->pte, vmf->ptl);
	return 0;

release:
	pte_unmap_unlock(vmf->pte, vmf->ptl);
	folio_put(folio);
	return ret;
}
