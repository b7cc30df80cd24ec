// SPDX-License-Identifier: GPL-2.0-only
/*
 * Large folios for anonymous memory: what the administrator sees and sets.
 *
 * /sys/kernel/mm/transparent_hugepage/hugepages-<size>kB/ with mainline 6.12's
 * names and meaning, the boot parameter thp_anon=, and the policy in debugfs.
 * Documentation/ABI/testing/sysfs-kernel-mm-transparent-hugepage-size has it all.
 */
#define pr_fmt(fmt) "large_anon_folio: " fmt

#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/khugepaged.h>
#include <linux/kobject.h>
#include <linux/large_anon_folio.h>
#include <linux/log2.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/uaccess.h>

#include <asm/setup.h>

/* ------------------------------------------------------------------ data */

/* One directory hugepages-<size>kB */
struct thpsize {
	struct kobject kobj;
	int order;
};

/* NULL where there is none; only written while the kernel boots */
static struct thpsize *thpsizes[NR_ANON_FOLIO_ORDERS];

/* thp_anon= was given: it says all, there are no defaults */
static bool thp_anon_given __initdata;

static const char * const enabled_names[NR_ANON_FOLIO_ENABLED] = {
	[ANON_FOLIO_ALWAYS] = "always",
	[ANON_FOLIO_INHERIT] = "inherit",
	[ANON_FOLIO_MADVISE] = "madvise",
	[ANON_FOLIO_NEVER] = "never",
};

static const char * const policy_names[NR_ANON_FOLIO_POLICIES] = {
	[ANON_FOLIO_STRICT] = "strict",
	[ANON_FOLIO_UNHINTED] = "unhinted",
	[ANON_FOLIO_INDEPENDENT] = "independent",
	[ANON_FOLIO_SMALL] = "small",
};

/* ----------------------------------------------------------------- sysfs */

static struct thpsize *to_thpsize(struct kobject *kobj)
{
	return container_of(kobj, struct thpsize, kobj);
}

static ssize_t enabled_show(struct kobject *kobj, struct kobj_attribute *attr,
			    char *buf)
{
	enum anon_folio_enabled enabled = huge_anon_order_get(to_thpsize(kobj)->order);
	int i, len = 0;

	for (i = 0; i < NR_ANON_FOLIO_ENABLED; i++)
		len += sysfs_emit_at(buf, len, i == enabled ? "%s[%s]" : "%s%s",
				     i ? " " : "", enabled_names[i]);
	len += sysfs_emit_at(buf, len, "\n");

	return len;
}

static ssize_t enabled_store(struct kobject *kobj, struct kobj_attribute *attr,
			     const char *buf, size_t count)
{
	int enabled = sysfs_match_string(enabled_names, buf);
	int err;

	if (enabled < 0)
		return enabled;

	huge_anon_order_set(to_thpsize(kobj)->order, enabled);
	/* The PMD size by name wakes khugepaged or sends it to sleep */
	err = start_stop_khugepaged();

	return err ? err : count;
}

static struct kobj_attribute enabled_attr = __ATTR_RW(enabled);

static struct attribute *thpsize_attrs[] = {
	&enabled_attr.attr,
	NULL,
};

static const struct attribute_group thpsize_attr_group = {
	.attrs = thpsize_attrs,
};

/* A counter's file: the directory above tells the order */
struct mthp_stat_attribute {
	struct kobj_attribute attr;
	enum mthp_stat_item item;
};

static ssize_t mthp_stat_show(struct kobject *kobj, struct kobj_attribute *attr,
			      char *buf)
{
	enum mthp_stat_item item =
		container_of(attr, struct mthp_stat_attribute, attr)->item;

	return sysfs_emit(buf, "%lu\n",
			  sum_mthp_stat(to_thpsize(kobj)->order, item));
}

static const char * const stat_names[NR_MTHP_STATS] = {
	[MTHP_STAT_ANON_FAULT_ALLOC] = "anon_fault_alloc",
	[MTHP_STAT_ANON_FAULT_FALLBACK] = "anon_fault_fallback",
	[MTHP_STAT_ANON_FAULT_FALLBACK_CHARGE] = "anon_fault_fallback_charge",
	[MTHP_STAT_SWPOUT] = "swpout",
	[MTHP_STAT_SWPOUT_FALLBACK] = "swpout_fallback",
	[MTHP_STAT_SPLIT] = "split",
	[MTHP_STAT_SPLIT_FAILED] = "split_failed",
	[MTHP_STAT_SPLIT_DEFERRED] = "split_deferred",
	[MTHP_STAT_NR_ANON] = "nr_anon",
	[MTHP_STAT_NR_ANON_PARTIALLY_MAPPED] = "nr_anon_partially_mapped",
};

/* Filled from stat_names[] before the first directory is made */
static struct mthp_stat_attribute stat_files[NR_MTHP_STATS];
static struct attribute *stats_attrs[NR_MTHP_STATS + 1];

static const struct attribute_group stats_attr_group = {
	.name = "stats",
	.attrs = stats_attrs,
};

static const struct attribute_group *thpsize_groups[] = {
	&thpsize_attr_group,
	&stats_attr_group,
	NULL,
};

static void thpsize_release(struct kobject *kobj)
{
	kfree(to_thpsize(kobj));
}

static const struct kobj_type thpsize_ktype = {
	.release = thpsize_release,
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = thpsize_groups,
};

static int __init thpsize_create(int order, struct kobject *parent)
{
	unsigned long size_kb = (PAGE_SIZE << order) / SZ_1K;
	struct thpsize *thpsize;
	int err;

	thpsize = kzalloc(sizeof(*thpsize), GFP_KERNEL);
	if (!thpsize)
		return -ENOMEM;

	thpsize->order = order;
	err = kobject_init_and_add(&thpsize->kobj, &thpsize_ktype, parent,
				   "hugepages-%lukB", size_kb);
	if (err) {
		kobject_put(&thpsize->kobj);
		return err;
	}

	thpsizes[order] = thpsize;
	return 0;
}

/* --------------------------------------------------------------- debugfs */

static int policy_show(struct seq_file *m, void *unused)
{
	enum anon_folio_policy policy = READ_ONCE(anon_folio_policy);
	int i;

	for (i = 0; i < NR_ANON_FOLIO_POLICIES; i++)
		seq_printf(m, i == policy ? "%s[%s]" : "%s%s",
			   i ? " " : "", policy_names[i]);
	seq_putc(m, '\n');

	return 0;
}

static int policy_open(struct inode *inode, struct file *file)
{
	return single_open(file, policy_show, NULL);
}

static ssize_t policy_write(struct file *file, const char __user *ubuf,
			    size_t count, loff_t *ppos)
{
	char buf[16];
	int policy;

	if (*ppos || count >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, ubuf, count))
		return -EFAULT;
	buf[count] = '\0';

	policy = sysfs_match_string(policy_names, buf);
	if (policy < 0)
		return policy;

	WRITE_ONCE(anon_folio_policy, policy);
	return count;
}

static const struct file_operations policy_fops = {
	.owner = THIS_MODULE,
	.open = policy_open,
	.read = seq_read,
	.write = policy_write,
	.llseek = seq_lseek,
	.release = single_release,
};

static int __init large_anon_folio_debugfs(void)
{
	struct dentry *dir = debugfs_create_dir("large_anon_folio", NULL);

	debugfs_create_file("policy", 0644, dir, NULL, &policy_fops);
	return 0;
}
late_initcall(large_anon_folio_debugfs);

/* -------------------------------------------------------- boot parameter */

/* An order for "64K" and the like; a negative error if there is no such size */
static int __init parse_order(const char *str)
{
	char *end;
	unsigned long long size = memparse(str, &end);
	int order;

	if (end == str || *end || size < PAGE_SIZE || !is_power_of_2(size))
		return -EINVAL;
	order = ilog2(size) - PAGE_SHIFT;
	if (order > HPAGE_PMD_ORDER || !(BIT(order) & THP_ORDERS_ALL_ANON))
		return -EINVAL;

	return order;
}

/* The orders for "16K-64K,256K"; none if any of it is wrong */
static unsigned long __init parse_orders(char *sizes)
{
	unsigned long orders = 0;
	char *from, *to;

	while ((to = strsep(&sizes, ","))) {
		int first, last;

		from = strsep(&to, "-");
		first = parse_order(from);
		last = to ? parse_order(to) : first;
		if (first < 0 || last < first)
			return 0;
		orders |= GENMASK(last, first);
	}

	return orders;
}

/*
 * thp_anon=<size>[-<size>][,...]:<value>[;...]
 *
 * All or nothing: with one mistake nothing of the parameter is used, so that
 * nobody runs with half of what he asked for.
 */
static int __init setup_thp_anon(char *str)
{
	unsigned long sets[NR_ANON_FOLIO_ENABLED] = { 0 };
	static char copy[COMMAND_LINE_SIZE] __initdata;
	char *rest = copy, *part;
	int i, order;

	if (!str || strscpy(copy, str, sizeof(copy)) <= 0)
		goto err;

	while ((part = strsep(&rest, ";"))) {
		char *sizes = strsep(&part, ":");
		unsigned long orders = parse_orders(sizes);
		int enabled = part ? match_string(enabled_names,
						  NR_ANON_FOLIO_ENABLED, part) : -EINVAL;

		if (!orders || enabled < 0)
			goto err;
		/* As in 6.12, the last word on a size is the one that holds */
		for (i = 0; i < NR_ANON_FOLIO_ENABLED; i++)
			sets[i] &= ~orders;
		sets[enabled] |= orders;
	}

	for (i = 0; i < NR_ANON_FOLIO_ENABLED; i++)
		for_each_set_bit(order, &sets[i], NR_ANON_FOLIO_ORDERS)
			huge_anon_order_set(order, i);
	thp_anon_given = true;
	return 1;

err:
	pr_warn("thp_anon=%s: cannot parse, ignored\n", str ? str : "");
	return 0;
}
__setup("thp_anon=", setup_thp_anon);

/* ------------------------------------------------------------------ init */

/**
 * large_anon_folio_init - Set the defaults and make the files.
 * @hugepage_kobj: /sys/kernel/mm/transparent_hugepage, or NULL without sysfs.
 *
 * Context: While the kernel boots, from hugepage_init().
 * Return: 0, or a negative error with nothing left behind.
 */
int __init large_anon_folio_init(struct kobject *hugepage_kobj)
{
	int i, order, err;

	if (!thp_anon_given)
		huge_anon_orders_inherit =
			anon_folio_default_orders(arch_wants_pte_order());

	if (!IS_ENABLED(CONFIG_SYSFS))
		return 0;

	for (i = 0; i < NR_MTHP_STATS; i++) {
		stat_files[i].attr.attr.name = stat_names[i];
		stat_files[i].attr.attr.mode = 0444;
		stat_files[i].attr.show = mthp_stat_show;
		stat_files[i].item = i;
		stats_attrs[i] = &stat_files[i].attr.attr;
	}

	for (order = ANON_FOLIO_MIN_ORDER; order <= HPAGE_PMD_ORDER; order++) {
		if (order == HPAGE_PMD_ORDER && !has_transparent_hugepage())
			break;
		err = thpsize_create(order, hugepage_kobj);
		if (err) {
			pr_err("cannot make the files of order %d: %d\n",
			       order, err);
			large_anon_folio_exit();
			return err;
		}
	}

	return 0;
}

/**
 * large_anon_folio_exit - Take the files away again, and forbid all sizes.
 *
 * Context: While the kernel boots, when hugepage_init() fails.
 */
void __init large_anon_folio_exit(void)
{
	int order;

	for (order = 0; order < NR_ANON_FOLIO_ORDERS; order++) {
		if (thpsizes[order])
			kobject_put(&thpsizes[order]->kobj);
		thpsizes[order] = NULL;
		/* Nothing would split these folios without the shrinker */
		huge_anon_order_set(order, ANON_FOLIO_NEVER);
	}
}
